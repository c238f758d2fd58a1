// Edits of several files, and those that the server wants confirmed, are shown before they are applied. What opens VS
// Code's refactoring preview is a change that needs confirmation; but it leaves such a change unticked, and then its
// Apply button applies nothing. So no real change is marked. One is added that VS Code neither lists nor carries out:
// making, where there is none, a file that there is.
import type { ChangeAnnotation, TextDocumentEdit, WorkspaceEdit } from 'vscode-languageserver-protocol';

const ANNOTATION = 'codeworld.preview';

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

/** The edit with nothing in it that needs confirmation. */
export function withoutPreview(edit: WorkspaceEdit): WorkspaceEdit {
  if (!edit.changeAnnotations) {
    return edit;
  }
  const all = Object.entries(edit.changeAnnotations);
  const plain = all.map(([id, one]): [string, ChangeAnnotation] => [
    id,
    { ...one, needsConfirmation: false },
  ]);
  return { ...edit, changeAnnotations: Object.fromEntries(plain) };
}

/** The edit so that it is shown first, all ticked; as it is where it touches one file and the server asks for nothing.
 *  `existing` is the URI of any file that there is. */
export function withPreview(edit: WorkspaceEdit, label: string, existing: string): WorkspaceEdit {
  const asked = Object.values(edit.changeAnnotations ?? {}).some((one) => one.needsConfirmation);
  if (!asked && filesOf(edit).size < 2) {
    return edit;
  }
  const opener = {
    kind: 'create' as const,
    uri: existing,
    options: { ignoreIfExists: true },
    annotationId: ANNOTATION,
  };
  return {
    documentChanges: [...(edit.documentChanges ?? inDocuments(edit)), opener],
    changeAnnotations: {
      ...withoutPreview(edit).changeAnnotations,
      [ANNOTATION]: { label, needsConfirmation: true },
    },
  };
}

function inDocuments(edit: WorkspaceEdit): TextDocumentEdit[] {
  return Object.entries(edit.changes ?? {}).map(([uri, edits]) => ({
    textDocument: { uri, version: null },
    edits,
  }));
}
