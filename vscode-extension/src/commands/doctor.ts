// `codeworld doctor` in a terminal: what every bug report needs.
import * as vscode from 'vscode';
import type { Server } from '../server';

/** Adds the command. */
export function registerDoctor(context: vscode.ExtensionContext, server: Server): void {
  context.subscriptions.push(
    vscode.commands.registerCommand('codeworld.doctor', () => {
      if (!server.program) {
        void vscode.window.showInformationMessage('Codeworld: set up the language server first.');
        return;
      }
      const name = 'Codeworld doctor';
      vscode.window.terminals.find((one) => one.name === name)?.dispose();
      // The program and its argument, not text for a shell: the terminal stays open to copy from.
      const terminal = vscode.window.createTerminal({
        name,
        shellPath: '/bin/sh',
        shellArgs: ['-c', '"$0" doctor; exec "${SHELL:-/bin/sh}"', server.program],
      });
      terminal.show();
    }),
  );
}
