// Repair the file in front of the user. The server applies the edit itself, so that undo is one step.
import * as vscode from 'vscode';
import type { Server } from '../server';
import { nothing, run } from './running';

interface Fixed {
  applied: boolean;
  reason?: string;
  kind?: string;
}

const LAST_TEST = 'lastTest';

/** Adds the commands. */
export function registerFix(context: vscode.ExtensionContext, server: Server): void {
  context.subscriptions.push(
    vscode.commands.registerCommand('codeworld.fixFile', () => fix(server, undefined)),
    vscode.commands.registerCommand('codeworld.fixWithTest', async () => {
      const test = await vscode.window.showInputBox({
        title: 'Codeworld: fix until a test passes',
        prompt:
          'A command that must succeed. It runs in a sandbox without network, at the top of the repository.',
        value: context.workspaceState.get<string>(LAST_TEST, 'python -m pytest -q'),
      });
      if (test?.trim()) {
        await context.workspaceState.update(LAST_TEST, test);
        await fix(server, test.trim());
      }
    }),
  );
}

async function fix(server: Server, test: string | undefined): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId !== 'python') {
    return;
  }
  const args = test === undefined ? [server.uri(document.uri)] : [server.uri(document.uri), test];
  const fixed = await run<Fixed>(server, 'looking for a fix', 'fix', args);
  if (fixed?.applied) {
    vscode.window.setStatusBarMessage(`Codeworld: fixed (${fixed.kind ?? 'checked'})`, 5_000);
  } else if (fixed) {
    nothing('fix', fixed.reason ?? 'nothing passed its checks');
  }
}
