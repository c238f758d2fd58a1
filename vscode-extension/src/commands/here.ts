// Tests and docstrings for what the cursor is in. They are code actions of the server, so these commands only ask VS
// Code for the action of that kind: preview, undo and "nothing here" are then the same as in its own menus.
import * as vscode from 'vscode';

const KINDS = {
  'codeworld.testsHere': 'source.generateTests',
  'codeworld.docstringHere': 'refactor.rewrite.docstring',
};

/** Adds the commands. */
export function registerHere(context: vscode.ExtensionContext): void {
  for (const [name, kind] of Object.entries(KINDS)) {
    const ask = () => vscode.commands.executeCommand('editor.action.codeAction', { kind, apply: 'ifSingle' });
    context.subscriptions.push(vscode.commands.registerCommand(name, ask));
  }
}
