import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filesOf, withPreview } from './preview';

const at = { line: 0, character: 0 };
const insert = { range: { start: at, end: at }, newText: 'x' };

void test('an edit of one file is applied as it is', () => {
  const edit = { changes: { 'file:///a.py': [insert, insert] } };
  assert.equal(withPreview(edit, 'label'), edit);
});

void test('every change of an edit of two files needs confirmation', () => {
  const shown = withPreview({ changes: { 'file:///a.py': [insert], 'file:///b.py': [insert] } }, 'label');
  assert.deepEqual([...filesOf(shown)], ['file:///a.py', 'file:///b.py']);
  assert.equal(shown.changeAnnotations?.['codeworld']?.needsConfirmation, true);
  for (const change of shown.documentChanges ?? []) {
    assert.ok('textDocument' in change && change.edits.every((one) => 'annotationId' in one));
  }
});

void test('a file that is made counts, and is marked', () => {
  const shown = withPreview(
    {
      documentChanges: [
        { kind: 'create', uri: 'file:///test_a.py' },
        { textDocument: { uri: 'file:///a.py', version: 3 }, edits: [insert] },
      ],
    },
    'label',
  );
  const [made, edited] = shown.documentChanges ?? [];
  assert.ok(made && 'annotationId' in made && made.annotationId === 'codeworld');
  assert.ok(edited && 'textDocument' in edited && edited.textDocument.version === 3);
});
