// A commit message for what is staged, put into the box of the source-control view. The user commits, we don't.
import * as vscode from 'vscode';
import type { Server } from '../server';
import { nothing, run } from './running';

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
  detail?: string;
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
        server.uri(inWorkspace(repository.rootUri)),
      ]);
      if (written?.message) {
        repository.inputBox.value = written.message;
        await vscode.commands.executeCommand('workbench.view.scm');
      } else if (written) {
        const why = [written.reason, written.detail].filter(Boolean).join(': ');
        nothing('commit message', why || 'nothing is staged');
      }
    }),
  );
}

/** A folder that the server knows: the repository, or the workspace's folder in it where only a part is open. */
function inWorkspace(root: vscode.Uri): vscode.Uri {
  const open = vscode.workspace.workspaceFolders ?? [];
  const part = open.find((one) => one.uri.path.startsWith(`${root.path}/`));
  return vscode.workspace.getWorkspaceFolder(root) ? root : (part?.uri ?? root);
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
