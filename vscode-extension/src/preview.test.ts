import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkspaceEdit } from 'vscode-languageserver-protocol';
import { filesOf, withoutPreview, withPreview } from './preview';

const at = { line: 0, character: 0 };
const insert = { range: { start: at, end: at }, newText: 'x' };
const existing = 'file:///package.json';
const opener = {
  kind: 'create',
  uri: existing,
  options: { ignoreIfExists: true },
  annotationId: 'codeworld.preview',
};
const generated: WorkspaceEdit = {
  documentChanges: [
    { kind: 'create', uri: 'file:///test_a.py', annotationId: 'tests' },
    {
      textDocument: { uri: 'file:///test_a.py', version: null },
      edits: [{ ...insert, annotationId: 'tests' }],
    },
  ],
  changeAnnotations: { tests: { label: 'Generated tests', needsConfirmation: true } },
};

void test('an edit of one file is applied as it is', () => {
  const edit = { changes: { 'file:///a.py': [insert, insert] } };
  assert.equal(withPreview(edit, 'label', existing), edit);
});

void test('an edit of two files is shown, every change ticked', () => {
  const edit = { changes: { 'file:///a.py': [insert], 'file:///b.py': [insert] } };
  const shown = withPreview(edit, 'label', existing);
  assert.deepEqual([...filesOf(shown)], ['file:///a.py', 'file:///b.py', existing]);
  assert.deepEqual(shown.changeAnnotations, {
    'codeworld.preview': { label: 'label', needsConfirmation: true },
  });
  const [first, second, last] = shown.documentChanges ?? [];
  assert.deepEqual(first, { textDocument: { uri: 'file:///a.py', version: null }, edits: [insert] });
  assert.deepEqual(second, { textDocument: { uri: 'file:///b.py', version: null }, edits: [insert] });
  assert.deepEqual(last, opener);
});

void test('what the server wants confirmed is shown, ticked, though it is one file', () => {
  const shown = withPreview(generated, 'label', existing);
  assert.deepEqual(shown.documentChanges, [...(generated.documentChanges ?? []), opener]);
  assert.equal(shown.changeAnnotations?.['tests']?.needsConfirmation, false);
});

void test('without a preview nothing needs confirmation', () => {
  const direct = withoutPreview(generated);
  assert.deepEqual(direct.documentChanges, generated.documentChanges);
  assert.deepEqual(direct.changeAnnotations, {
    tests: { label: 'Generated tests', needsConfirmation: false },
  });
});
