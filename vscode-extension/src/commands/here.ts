// Tests and docstrings for what the cursor is in. The server says what that is: it offers a code action there. Its command
// then does the work, so that a refusal, suspected bugs and the file with the tests can be shown.
import * as vscode from 'vscode';
import type { Server } from '../server';
import { nothing, run } from './running';

interface Tests {
  applied: boolean;
  reason?: string;
  path?: string;
  tests?: number;
  suspected?: string[];
}

interface Docstring {
  applied: boolean;
  reason?: string;
}

/** Adds the commands. */
export function registerHere(context: vscode.ExtensionContext, server: Server): void {
  context.subscriptions.push(
    vscode.commands.registerCommand('codeworld.testsHere', () => tests(server)),
    vscode.commands.registerCommand('codeworld.docstringHere', () => docstring(server)),
  );
}

async function tests(server: Server): Promise<void> {
  const here = await target(server, 'source.generateTests', 'nothing to test');
  if (!here) {
    return;
  }
  const args = [server.uri(here.document.uri), here.qualname];
  const made = await run<Tests>(server, `generating tests${of(here.qualname)}`, 'generateTests', args);
  if (made?.applied && made.path) {
    await vscode.window.showTextDocument(vscode.Uri.file(made.path));
    const suspected = made.suspected ?? [];
    if (suspected.length > 0) {
      void vscode.window.showWarningMessage(`Codeworld suspects a bug. ${suspected.join('; ')}.`);
    }
  } else if (made?.reason) {
    nothing('tests', made.reason);
  }
}

async function docstring(server: Server): Promise<void> {
  const here = await target(server, 'refactor.rewrite.docstring', 'no function or class');
  if (!here) {
    return;
  }
  const args = [server.uri(here.document.uri), here.qualname];
  const written = await run<Docstring>(
    server,
    `writing the docstring${of(here.qualname)}`,
    'generateDocstring',
    args,
  );
  if (written?.reason) {
    nothing('docstring', written.reason);
  }
}

function of(qualname: string): string {
  return qualname ? ` of ${qualname}` : '';
}

/** What the server would work on, undefined after the user was told that there is none here. */
async function target(
  server: Server,
  kind: string,
  none: string,
): Promise<{ document: vscode.TextDocument; qualname: string } | undefined> {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document.languageId !== 'python') {
    return undefined;
  }
  const [action] = await server.actions(editor.document.uri, editor.selection, kind);
  const { qualname } = (action?.data ?? {}) as { qualname?: string };
  if (qualname === undefined || action?.disabled) {
    const why = action?.disabled?.reason ?? `there is ${none} at the cursor`;
    void vscode.window.showInformationMessage(`Codeworld: ${why}.`);
    return undefined;
  }
  return { document: editor.document, qualname };
}
