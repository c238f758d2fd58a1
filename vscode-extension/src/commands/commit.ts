// A commit message for what is staged, put into the box of the source-control view. The user commits, we don't.
import * as vscode from 'vscode';
import type { Server } from '../server';
import { run } from './running';

interface Repository {
  rootUri: vscode.Uri;
  inputBox: { value: string };
}

interface GitExtension {
  getAPI(version: 1): { repositories: Repository[] };
}

interface Written {
  message?: string;
  reason?: string;
}

/** Adds the command. */
export function registerCommit(context: vscode.ExtensionContext, server: Server): void {
  context.subscriptions.push(
    vscode.commands.registerCommand('codeworld.writeCommitMessage', async (view?: vscode.SourceControl) => {
      const repository = await chooseRepository(view?.rootUri);
      if (!repository) {
        return;
      }
      const written = await run<Written>(server, 'reading the staged changes', 'commitMessage', [
        server.uri(repository.rootUri),
      ]);
      if (written?.message) {
        repository.inputBox.value = written.message;
        await vscode.commands.executeCommand('workbench.view.scm');
      } else if (written) {
        void vscode.window.showInformationMessage(
          `Codeworld has no commit message to offer: ${written.reason ?? 'nothing is staged'}.`,
        );
      }
    }),
  );
}

async function chooseRepository(root: vscode.Uri | undefined): Promise<Repository | undefined> {
  const git = await vscode.extensions.getExtension<GitExtension>('vscode.git')?.activate();
  const repositories = git?.getAPI(1).repositories ?? [];
  if (repositories.length === 0) {
    void vscode.window.showInformationMessage('Codeworld: no git repository is open.');
  }
  const named = repositories.find((one) => one.rootUri.toString() === root?.toString());
  if (named || repositories.length < 2) {
    return named ?? repositories[0];
  }
  const items = repositories.map((one) => ({ label: one.rootUri.fsPath, one }));
  return (await vscode.window.showQuickPick(items, { title: 'Codeworld: which repository?' }))?.one;
}
