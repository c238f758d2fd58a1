// A command of the server, run with a progress notification that can be cancelled; a refusal is told, not thrown.
import * as vscode from 'vscode';
import { LSPErrorCodes, ResponseError } from 'vscode-languageclient/node';
import type { Server } from '../server';

/** The server's answer, or undefined after it was cancelled or refused (the user knows why by then). */
export async function run<T>(
  server: Server,
  title: string,
  name: string,
  args: unknown[],
): Promise<T | undefined> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `Codeworld: ${title}`,
    cancellable: true,
  };
  return vscode.window.withProgress(options, async (_, token) => {
    try {
      return await server.execute<T>(name, args, token);
    } catch (error) {
      const stopped = error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled;
      if (!stopped && !token.isCancellationRequested) {
        const why = error instanceof Error ? error.message : String(error);
        void vscode.window.showErrorMessage(`Codeworld: ${why}`);
      }
      return undefined;
    }
  });
}
