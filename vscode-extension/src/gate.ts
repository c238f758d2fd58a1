// Whether completions are shown: for a language, in a workspace, or not for a while.
import * as vscode from 'vscode';

const SNOOZED_UNTIL = 'snoozedUntilMs';

/** The reasons for silence, each in one place. */
export class Gate implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  private readonly listening: vscode.Disposable;
  private timer: NodeJS.Timeout | undefined;
  readonly onChange = this.changes.event;

  constructor(private readonly memory: vscode.Memento) {
    this.listening = vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('codeworld')) {
        this.changed();
      }
    });
    this.wakeLater();
  }

  /** Why there are no completions in this language, or undefined when there are. */
  closed(languageId: string): string | undefined {
    if (this.snoozedUntilMs() > Date.now()) {
      const until = new Date(this.snoozedUntilMs()).toLocaleTimeString([], { timeStyle: 'short' });
      return `snoozed until ${until}`;
    }
    if (!settings().get<boolean>('completion.enabled', true)) {
      return 'turned off in this workspace';
    }
    return this.allowsLanguage(languageId) ? undefined : `turned off for ${languageId}`;
  }

  allowsLanguage(languageId: string): boolean {
    const languages = settings().get<Record<string, boolean>>('languages', {});
    return languages[languageId] ?? languages['*'] ?? true;
  }

  async toggleLanguage(languageId: string): Promise<void> {
    const languages = settings().get<Record<string, boolean>>('languages', {});
    const changed = { ...languages, [languageId]: !this.allowsLanguage(languageId) };
    await settings().update('languages', changed, vscode.ConfigurationTarget.Global);
  }

  async toggleWorkspace(): Promise<void> {
    const target = vscode.workspace.workspaceFolders
      ? vscode.ConfigurationTarget.Workspace
      : vscode.ConfigurationTarget.Global;
    await settings().update(
      'completion.enabled',
      !settings().get<boolean>('completion.enabled', true),
      target,
    );
  }

  snoozedUntilMs(): number {
    return this.memory.get<number>(SNOOZED_UNTIL, 0);
  }

  /** Be quiet for so many minutes; 0 ends it. */
  async snooze(minutes: number): Promise<void> {
    await this.memory.update(SNOOZED_UNTIL, minutes ? Date.now() + minutes * 60_000 : undefined);
    this.wakeLater();
    this.changed();
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.listening.dispose();
    this.changes.dispose();
  }

  private wakeLater(): void {
    clearTimeout(this.timer);
    const leftMs = this.snoozedUntilMs() - Date.now();
    if (leftMs > 0) {
      this.timer = setTimeout(() => {
        this.changes.fire();
      }, leftMs + 50);
    }
  }

  private changed(): void {
    const languageId = vscode.window.activeTextEditor?.document.languageId;
    if (languageId && this.closed(languageId)) {
      void vscode.commands.executeCommand('editor.action.inlineSuggest.hide');
    }
    this.changes.fire();
  }
}

function settings(): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration('codeworld');
}
