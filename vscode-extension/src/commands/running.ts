// A command of the server, run with a progress notification that can be cancelled; a refusal is told, not thrown.
import * as vscode from 'vscode';
import { LSPErrorCodes, ResponseError } from 'vscode-languageclient/node';
import type { Server } from '../server';

/** The server's answer, or undefined after it was cancelled or refused (the user knows why by then). The notification
 *  goes when the server has an edit applied: from then on it waits for the user, who may be looking at a preview. */
export async function run<T>(
  server: Server,
  title: string,
  name: string,
  args: unknown[],
): Promise<T | undefined> {
  const stop = new vscode.CancellationTokenSource();
  const answer = server.execute<T>(name, args, stop.token);
  const busy = Promise.race([answer, server.nextEdit()]).catch(() => undefined);
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `Codeworld: ${title}`,
    cancellable: true,
  };
  void vscode.window.withProgress(options, (_, token) => {
    token.onCancellationRequested(() => {
      stop.cancel();
    });
    return busy;
  });
  try {
    return await answer;
  } catch (error) {
    const stopped = error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled;
    if (!stopped && !stop.token.isCancellationRequested) {
      const why = error instanceof Error ? error.message : String(error);
      void vscode.window.showErrorMessage(`Codeworld: ${why}`);
    }
    return undefined;
  }
}

/** Tell that there is nothing to offer, and why. The server's reasons begin with a name: `nothing-staged`. */
export function nothing(what: string, reason: string): void {
  const words = reason.replace(/^[a-z]+(-[a-z]+)+/, (name) => name.replaceAll('-', ' '));
  void vscode.window.showInformationMessage(`Codeworld has no ${what} to offer: ${words}.`);
}
