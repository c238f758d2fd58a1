// Which `codeworld` program is started.
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';

/** A program, and where it was found, for the log. */
export interface Program {
  path: string;
  from: string;
}

/** The environment that setup.ts makes. */
export function ownEnvironment(context: vscode.ExtensionContext): string {
  return path.join(context.globalStorageUri.fsPath, 'venv');
}

/** The first that exists: the setting, our own environment, PATH, a trusted workspace's `.venv`. */
export async function findProgram(context: vscode.ExtensionContext): Promise<Program | undefined> {
  const set = vscode.workspace.getConfiguration('codeworld').get<string>('server.path', '').trim();
  if (set) {
    return { path: set, from: 'codeworld.server.path' }; // also when it is wrong: the error should say so
  }
  for (const program of candidates(context)) {
    if (await isExecutable(program.path)) {
      return program;
    }
  }
  return undefined;
}

function candidates(context: vscode.ExtensionContext): Program[] {
  const found = [{ path: path.join(ownEnvironment(context), 'bin', 'codeworld'), from: 'set up by VS Code' }];
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    if (path.isAbsolute(folder)) {
      found.push({ path: path.join(folder, 'codeworld'), from: 'PATH' });
    }
  }
  // A repository may bring any program of that name: it is run only where the user trusts it.
  if (vscode.workspace.isTrusted) {
    for (const folder of vscode.workspace.workspaceFolders ?? []) {
      found.push({ path: path.join(folder.uri.fsPath, '.venv', 'bin', 'codeworld'), from: folder.name });
    }
  }
  return found;
}

/** Whether `file` is a program that this user may run. */
export async function isExecutable(file: string): Promise<boolean> {
  try {
    await fs.access(file, fs.constants.X_OK);
    return (await fs.stat(file)).isFile();
  } catch {
    return false;
  }
}
