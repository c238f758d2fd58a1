// Edits of several files are shown before they are applied: every change is marked as one that needs confirmation,
// which is what opens VS Code's refactoring preview.
import type { CodeAction, TextDocumentEdit, WorkspaceEdit } from 'vscode-languageserver-protocol';

const ANNOTATION = 'codeworld';

/** How many files an edit touches. */
export function filesOf(edit: WorkspaceEdit): Set<string> {
  const files = new Set(Object.keys(edit.changes ?? {}));
  for (const change of edit.documentChanges ?? []) {
    if ('textDocument' in change) {
      files.add(change.textDocument.uri);
    } else {
      files.add(change.kind === 'rename' ? change.newUri : change.uri);
    }
  }
  return files;
}

/** The edit as it is where it touches one file, else with every change marked. */
export function withPreview(edit: WorkspaceEdit, label: string): WorkspaceEdit {
  if (filesOf(edit).size < 2) {
    return edit;
  }
  const changes = edit.documentChanges ?? plain(edit);
  return {
    documentChanges: changes.map((change) =>
      'textDocument' in change
        ? { ...change, edits: change.edits.map((one) => ({ ...one, annotationId: ANNOTATION })) }
        : { ...change, annotationId: ANNOTATION },
    ),
    changeAnnotations: { [ANNOTATION]: { label, needsConfirmation: true } },
  };
}

/** An action with its edit marked. */
export function previewed(action: CodeAction): CodeAction {
  return action.edit ? { ...action, edit: withPreview(action.edit, action.title) } : action;
}

function plain(edit: WorkspaceEdit): TextDocumentEdit[] {
  return Object.entries(edit.changes ?? {}).map(([uri, edits]) => ({
    textDocument: { uri, version: null },
    edits,
  }));
}
