// The page about a repository, beside the editor. It is a file of the extension's own, so that its relative links work
// as in any other Markdown file and nothing appears in the user's repository.
import * as vscode from 'vscode';
import type { Server } from '../server';
import { run } from './running';

interface Summary {
  page: string;
}

/** Adds the command. */
export function registerSummary(context: vscode.ExtensionContext, server: Server): void {
  context.subscriptions.push(
    vscode.commands.registerCommand('codeworld.openSummary', async () => {
      const folder = await chooseFolder();
      if (!folder) {
        return;
      }
      const place = context.storageUri ?? context.globalStorageUri;
      const file = vscode.Uri.joinPath(place, `${folder.name} summary.md`);
      const args = [server.uri(folder.uri), server.uri(file)];
      const made = await run<Summary>(server, `summarizing ${folder.name}`, 'summarizeRepository', args);
      if (made) {
        await vscode.workspace.fs.createDirectory(place);
        await vscode.workspace.fs.writeFile(file, Buffer.from(made.page));
        await vscode.commands.executeCommand('markdown.showPreviewToSide', file);
      }
    }),
  );
}

async function chooseFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0) {
    void vscode.window.showInformationMessage('Codeworld: open a folder to summarize it.');
  }
  return folders.length > 1 ? vscode.window.showWorkspaceFolderPick() : folders[0];
}
