// What VS Code calls: puts the parts together, in one place.
import * as vscode from 'vscode';
import { registerCommit } from './commands/commit';
import { registerDoctor } from './commands/doctor';
import { registerFix } from './commands/fix';
import { registerHere } from './commands/here';
import { registerSummary } from './commands/summary';
import { Gate } from './gate';
import { registerMenu } from './menu';
import { Server } from './server';
import { registerSetup } from './setup';
import { StatusBar } from './statusBar';

let server: Server | undefined;

/** Registers everything, then starts the server; a failure to start is shown, never thrown. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel('Codeworld', { log: true });
  const gate = new Gate(context.globalState);
  const running = (server = new Server(context, log, gate));
  context.subscriptions.push(log, gate, new StatusBar(running, gate));
  context.subscriptions.push(
    vscode.commands.registerCommand('codeworld.restart', () => running.restart()),
    vscode.commands.registerCommand('codeworld.showLog', () => {
      log.show();
    }),
  );
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('codeworld.server')) {
        void running.restart();
      }
    }),
    // Now the workspace's own environment may be used, and its code be run.
    vscode.workspace.onDidGrantWorkspaceTrust(() => running.restart()),
  );
  registerSetup(context, running, log);
  registerMenu(context, running, gate);
  for (const register of [registerFix, registerSummary, registerHere, registerCommit, registerDoctor]) {
    register(context, running);
  }
  await running.start();
}

/** Ends the server in good order; the engine goes on for other windows. */
export async function deactivate(): Promise<void> {
  await server?.stop();
}
