// Makes the Python environment from the user's checkout, with its own install script: one way, kept in one place.
import { spawn } from 'node:child_process';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import * as vscode from 'vscode';
import { isExecutable, ownEnvironment } from './environment';
import type { Server } from './server';

const SCRIPT = path.join('scripts', 'install.sh');

/** Adds the command, and offers it whenever the server is missing. */
export function registerSetup(
  context: vscode.ExtensionContext,
  server: Server,
  log: vscode.LogOutputChannel,
): void {
  const setUp = async () => {
    const checkout = await chooseCheckout();
    if (checkout && (await install(checkout, ownEnvironment(context), log))) {
      await server.restart();
    }
  };
  context.subscriptions.push(
    vscode.commands.registerCommand('codeworld.setUp', setUp),
    server.onMissing(() => {
      if (vscode.workspace.getConfiguration('codeworld').get<string>('setup.checkout', '')) {
        void setUp();
      } else {
        void offer();
      }
    }),
  );
}

async function offer(): Promise<void> {
  const answer = await vscode.window.showWarningMessage(
    'Codeworld: no language server was found. Set it up from your copy of the repository, or name an installed `codeworld` program.',
    'Set Up…',
    'Name the Program',
  );
  if (answer === 'Set Up…') {
    await vscode.commands.executeCommand('codeworld.setUp');
  } else if (answer) {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'codeworld.server.path');
  }
}

async function chooseCheckout(): Promise<string | undefined> {
  const settings = vscode.workspace.getConfiguration('codeworld');
  let checkout = settings.get<string>('setup.checkout', '').trim();
  if (!checkout) {
    const chosen = await vscode.window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      title: 'The folder of your copy of Codeworld',
      openLabel: 'Set Up',
    });
    checkout = chosen?.[0]?.fsPath ?? '';
  }
  if (checkout && !(await isExecutable(path.join(checkout, SCRIPT)))) {
    void vscode.window.showErrorMessage(
      `Codeworld: ${checkout} has no ${SCRIPT}, so it is no copy of Codeworld.`,
    );
    return undefined;
  }
  if (checkout) {
    await settings.update('setup.checkout', checkout, vscode.ConfigurationTarget.Global);
  }
  return checkout || undefined;
}

/** Whether the environment was made; the script's own lines are the progress, its last one the error. */
async function install(checkout: string, into: string, log: vscode.LogOutputChannel): Promise<boolean> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: 'Codeworld: setting up Python',
    cancellable: true,
  };
  const why = await vscode.window.withProgress(options, (progress, token) =>
    run(path.join(checkout, SCRIPT), [into], token, (line) => {
      log.info(`[setup] ${line}`);
      progress.report({ message: line });
    }),
  );
  if (why) {
    log.error(`[setup] ${why}`);
    void vscode.window
      .showErrorMessage(`Codeworld could not be set up: ${why}`, 'Show Log')
      .then((answer) => {
        if (answer) {
          log.show();
        }
      });
  }
  return why === undefined;
}

function run(
  script: string,
  args: string[],
  token: vscode.CancellationToken,
  onLine: (line: string) => void,
): Promise<string | undefined> {
  // A group of its own, so that cancelling ends pip too.
  const child = spawn(script, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let last = '';
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      last = line.trim() || last;
      onLine(last);
    });
  }
  token.onCancellationRequested(() => {
    if (child.pid !== undefined) {
      process.kill(-child.pid, 'SIGTERM');
    }
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      resolve(error.message);
    });
    child.on('close', (code) => {
      const why = token.isCancellationRequested ? 'stopped' : last || `exit code ${code ?? '?'}`;
      resolve(code === 0 ? undefined : why);
    });
  });
}
