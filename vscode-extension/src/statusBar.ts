// The item in the status bar. It asks the server how things are: often while something changes, seldom afterwards.
import * as vscode from 'vscode';
import type { Gate } from './gate';
import type { Server } from './server';
import { shown, type Report } from './status';

const SOON_MS = 500;
const SELDOM_MS = 60_000;
const THINKING_AFTER_MS = 150; // what is quicker would only flicker

export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('codeworld', vscode.StatusBarAlignment.Right, 90);
  private readonly listening: vscode.Disposable[];
  private report: Report | undefined;
  private poll: NodeJS.Timeout | undefined;
  private patience: NodeJS.Timeout | undefined;
  private isThinking = false;

  constructor(
    private readonly server: Server,
    private readonly gate: Gate,
  ) {
    this.item.name = 'Codeworld';
    this.item.command = 'codeworld.menu';
    this.item.show();
    this.listening = [
      server.onChange(() => {
        this.think();
        this.show();
        if (server.phase !== 'running') {
          this.report = undefined;
        } else if (!this.report) {
          this.askIn(0);
        }
      }),
      gate.onChange(() => {
        this.show();
      }),
      vscode.window.onDidChangeActiveTextEditor(() => {
        this.show();
      }),
      vscode.window.onDidChangeWindowState((state) => {
        this.askIn(state.focused ? 0 : SELDOM_MS);
      }),
    ];
    this.show();
  }

  dispose(): void {
    clearTimeout(this.poll);
    clearTimeout(this.patience);
    this.item.dispose();
    vscode.Disposable.from(...this.listening).dispose();
  }

  private askIn(delayMs: number): void {
    clearTimeout(this.poll);
    this.poll = setTimeout(() => void this.ask(), delayMs);
  }

  private async ask(): Promise<void> {
    if (this.server.phase !== 'running') {
      return;
    }
    this.report = await this.server.execute<Report>('status', []).catch(() => undefined);
    this.show();
    const { engine, folders } = this.report ?? { engine: undefined, folders: [] };
    const settled = engine?.state === 'ready' && folders.every((folder) => folder.index === 'ready');
    this.askIn(settled || !this.isYoung() ? SELDOM_MS : SOON_MS);
  }

  /** Whether the server started so recently that something is still to come. */
  private isYoung(): boolean {
    return (this.report?.server.uptime_s ?? 0) < 60 || this.report?.engine.state === 'loading';
  }

  private think(): void {
    if (this.server.thinking > 0 && this.patience === undefined) {
      this.patience = setTimeout(() => {
        this.isThinking = true;
        this.show();
      }, THINKING_AFTER_MS);
    } else if (this.server.thinking === 0) {
      clearTimeout(this.patience);
      this.patience = undefined;
      this.isThinking = false;
    }
  }

  private show(): void {
    const languageId = vscode.window.activeTextEditor?.document.languageId ?? 'python';
    const { state, icon, lines } = shown({
      phase: this.server.phase,
      why: this.server.why,
      closed: this.gate.closed(languageId),
      isThinking: this.isThinking,
      report: this.report,
    });
    this.item.text = `$(${icon}) Codeworld`;
    this.item.accessibilityInformation = { label: `Codeworld: ${state}. ${lines[0] ?? ''}` };
    this.item.tooltip = new vscode.MarkdownString();
    this.item.tooltip.appendMarkdown(`**Codeworld: ${state}**`);
    for (const line of lines) {
      this.item.tooltip.appendMarkdown('\n\n').appendText(line);
    }
    const colour = { error: 'statusBarItem.errorBackground', degraded: 'statusBarItem.warningBackground' };
    const background = colour[state as keyof typeof colour];
    this.item.backgroundColor = background ? new vscode.ThemeColor(background) : undefined;
  }
}
