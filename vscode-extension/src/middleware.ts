// What stands between VS Code and the server: silence where the user wants it, previews, our part of the settings.
import * as vscode from 'vscode';
import {
  CodeActionResolveRequest,
  type BaseLanguageClient,
  type Middleware,
  type WorkspaceEdit,
} from 'vscode-languageclient/node';
import type { Gate } from './gate';
import { withoutPreview, withPreview } from './preview';

type Workspace = NonNullable<Middleware['workspace']>;

const SECTIONS = ['completion', 'index', 'engine'] as const;

/** The settings that the server knows; the others are the extension's own. */
export function serverSettings(): Record<string, unknown> {
  const all = vscode.workspace.getConfiguration('codeworld');
  const sections = SECTIONS.map((section) => [section, all.get<object>(section)] as const);
  // Tests run the project's code: whether it may be run is for VS Code's trust to say.
  const tests = { ...all.get<object>('tests'), trusted: vscode.workspace.isTrusted };
  return { ...Object.fromEntries(sections), tests };
}

/** `thinking` is told when a completion is waited for, and when not any more, `editing` when the server has an edit
 *  applied; `existing` is the URI of any file that there is. */
export function middleware(
  gate: Gate,
  existing: string,
  client: () => BaseLanguageClient | undefined,
  thinking: (change: 1 | -1) => void,
  editing: () => void,
): Middleware {
  return {
    async provideInlineCompletionItems(document, position, context, token, next) {
      if (gate.closed(document.languageId)) {
        return [];
      }
      thinking(1);
      try {
        return await next(document, position, context, token);
      } finally {
        thinking(-1);
      }
    },
    resolveCodeAction: (item, token, next) => {
      const running = client();
      return running ? resolve(running, existing, item, token) : next(item, token);
    },
    workspace: { handleApplyEdit: applyEdit(existing, editing), configuration },
  };
}

/** What next() would do; but the action's edit has to be marked before it becomes VS Code's, which hides its parts. */
async function resolve(
  client: BaseLanguageClient,
  existing: string,
  item: vscode.CodeAction,
  token: vscode.CancellationToken,
): Promise<vscode.CodeAction> {
  const asked = await client.code2ProtocolConverter.asCodeAction(item, token);
  const resolved = await client.sendRequest(CodeActionResolveRequest.type, asked, token);
  if (resolved.edit) {
    resolved.edit = shown(resolved.edit, resolved.title, existing);
  }
  return client.protocol2CodeConverter.asCodeAction(resolved, token);
}

function applyEdit(existing: string, editing: () => void): NonNullable<Workspace['handleApplyEdit']> {
  const never = new vscode.CancellationTokenSource().token; // next() wants one and does not look at it
  return (params, next) => {
    editing();
    return next({ ...params, edit: shown(params.edit, params.label ?? 'Codeworld', existing) }, never);
  };
}

function shown(edit: WorkspaceEdit, label: string, existing: string): WorkspaceEdit {
  const wanted = vscode.workspace.getConfiguration('codeworld').get<boolean>('preview.multiFile', true);
  return wanted ? withPreview(edit, label, existing) : withoutPreview(edit);
}

const configuration: NonNullable<Workspace['configuration']> = (params, token, next) =>
  params.items.every((item) => item.section === 'codeworld')
    ? params.items.map(serverSettings)
    : next(params, token);
