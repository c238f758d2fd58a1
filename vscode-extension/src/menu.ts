// The menu behind the status bar's item, and the commands that turn completions on and off.
import * as vscode from 'vscode';
import type { Gate } from './gate';
import type { Server } from './server';

type Item = vscode.QuickPickItem & { run?: () => Thenable<unknown> };

/** Adds the commands. */
export function registerMenu(context: vscode.ExtensionContext, server: Server, gate: Gate): void {
  const commands: Record<string, () => Thenable<unknown>> = {
    'codeworld.menu': () => choose('Codeworld', menu(server, gate)),
    'codeworld.toggleLanguage': () => gate.toggleLanguage(language()),
    'codeworld.toggleWorkspace': () => gate.toggleWorkspace(),
    'codeworld.snooze': () => choose('No completions for', pauses(gate)),
  };
  for (const [name, run] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(name, run));
  }
}

function language(): string {
  return vscode.window.activeTextEditor?.document.languageId ?? 'python';
}

async function choose(title: string, items: Item[]): Promise<void> {
  const chosen = await vscode.window.showQuickPick(items, { title });
  await chosen?.run?.();
}

function pauses(gate: Gate): Item[] {
  return [5, 15, 60, 240].map((minutes) => ({
    label: minutes < 60 ? `${minutes} minutes` : minutes === 60 ? '1 hour' : `${minutes / 60} hours`,
    run: () => gate.snooze(minutes),
  }));
}

function menu(server: Server, gate: Gate): Item[] {
  if (server.phase === 'missing') {
    return [command('tools', 'Set up the language server…', 'codeworld.setUp'), ...service()];
  }
  return [...switches(gate), ...work(server), ...service()];
}

function switches(gate: Gate): Item[] {
  const isSnoozed = gate.snoozedUntilMs() > Date.now();
  const isOn = vscode.workspace.getConfiguration('codeworld').get<boolean>('completion.enabled', true);
  const onOff = (on: boolean) => (on ? 'Turn completions off' : 'Turn completions on');
  return [
    isSnoozed
      ? { label: '$(bell) Wake up now', run: () => gate.snooze(0) }
      : command('bell-slash', 'Snooze…', 'codeworld.snooze'),
    command(
      'code',
      `${onOff(gate.allowsLanguage(language()))} for ${language()}`,
      'codeworld.toggleLanguage',
    ),
    command('folder', `${onOff(isOn)} in this workspace`, 'codeworld.toggleWorkspace'),
  ];
}

function work(server: Server): Item[] {
  if (server.phase !== 'running') {
    return [];
  }
  const isTrusted = vscode.workspace.isTrusted;
  const offered: [boolean, Item][] = [
    [true, command('wrench', 'Fix this file', 'codeworld.fixFile')],
    [isTrusted, command('beaker', 'Fix this file until a test passes…', 'codeworld.fixWithTest')],
    [
      isTrusted && server.has('source.generateTests'),
      command('checklist', 'Generate tests', 'codeworld.testsHere'),
    ],
    [
      server.has('refactor.rewrite.docstring'),
      command('quote', 'Write or update the docstring', 'codeworld.docstringHere'),
    ],
    [
      isTrusted && server.has('commitMessage'),
      command('git-commit', 'Write a commit message', 'codeworld.writeCommitMessage'),
    ],
    [isTrusted, command('book', 'Summarize the repository', 'codeworld.openSummary')],
  ];
  return [separator('Actions'), ...offered.filter(([is]) => is).map(([, item]) => item)];
}

function service(): Item[] {
  return [
    separator('Language server'),
    command('refresh', 'Restart', 'codeworld.restart'),
    command('output', 'Show log', 'codeworld.showLog'),
    command('pulse', 'Report what works here (doctor)', 'codeworld.doctor'),
    {
      label: '$(gear) Settings',
      run: () => vscode.commands.executeCommand('workbench.action.openSettings', '@ext:codeworld.codeworld'),
    },
  ];
}

function separator(label: string): Item {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}

function command(icon: string, label: string, name: string): Item {
  return { label: `$(${icon}) ${label}`, run: () => vscode.commands.executeCommand(name) };
}
