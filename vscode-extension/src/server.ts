// The language server's process: start, stop, what it announces, and asking it to do things.
import * as os from 'node:os';
import * as vscode from 'vscode';
import {
  CodeActionRequest,
  CodeActionTriggerKind,
  ExecuteCommandRequest,
  LanguageClient,
  State,
  TransportKind,
  type CodeAction,
} from 'vscode-languageclient/node';
import { findProgram, isExecutable } from './environment';
import type { Gate } from './gate';
import { middleware, serverSettings } from './middleware';

/** What a server may be without: a command of it, or a kind of code action. Only what it announces is offered. */
const OPTIONAL = ['commitMessage', 'source.generateTests', 'refactor.rewrite.docstring'];

export type Phase = 'off' | 'starting' | 'running' | 'failed' | 'missing';

export class Server {
  private client: LanguageClient | undefined;
  private readonly changes = new vscode.EventEmitter<void>();
  private readonly edits = new vscode.EventEmitter<void>();
  private readonly missing = new vscode.EventEmitter<void>();
  private turn: Promise<unknown> = Promise.resolve();
  readonly onChange = this.changes.event;
  readonly onMissing = this.missing.event;
  phase: Phase = 'starting';
  /** Why the phase is "failed". */
  why = '';
  /** Completions that are waited for right now. */
  thinking = 0;
  program = '';

  constructor(
    private readonly context: vscode.ExtensionContext,
    readonly log: vscode.LogOutputChannel,
    private readonly gate: Gate,
  ) {}

  /** Start, stop and restart one after the other, however quickly they are asked for. */
  start(): Promise<void> {
    return this.inTurn(() => this.begin());
  }

  stop(): Promise<void> {
    return this.inTurn(() => this.end());
  }

  restart(): Promise<void> {
    return this.inTurn(async () => {
      await this.end();
      await this.begin();
    });
  }

  /** Whether the running server announced the command `codeworld.NAME`, or the kind NAME of code actions. */
  has(name: string): boolean {
    const announced = this.client?.initializeResult?.capabilities;
    const actions = announced?.codeActionProvider;
    const kinds = typeof actions === 'object' ? (actions.codeActionKinds ?? []) : [];
    const commands = announced?.executeCommandProvider?.commands ?? [];
    return this.phase === 'running' && (kinds.includes(name) || commands.includes(`codeworld.${name}`));
  }

  /** Run `codeworld.NAME` in the server. Rejects when it refuses, is cancelled or not running. */
  async execute<T>(name: string, args: unknown[], token?: vscode.CancellationToken): Promise<T> {
    if (!this.client || this.phase !== 'running') {
      throw new Error('the language server is not running');
    }
    const params = { command: `codeworld.${name}`, arguments: args };
    return (await this.client.sendRequest(ExecuteCommandRequest.type, params, token)) as T;
  }

  /** What the server offers of one kind of code action at a place; nothing when it is not running. */
  async actions(document: vscode.Uri, range: vscode.Range, kind: string): Promise<CodeAction[]> {
    if (!this.client || this.phase !== 'running') {
      return [];
    }
    const params = {
      textDocument: { uri: this.uri(document) },
      range: this.client.code2ProtocolConverter.asRange(range),
      context: { diagnostics: [], only: [kind], triggerKind: CodeActionTriggerKind.Invoked },
    };
    return ((await this.client.sendRequest(CodeActionRequest.type, params)) ?? []) as CodeAction[];
  }

  /** Resolves when the server has the next edit applied. */
  nextEdit(): Promise<void> {
    return new Promise((resolve) => {
      const listening = this.edits.event(() => {
        listening.dispose();
        resolve();
      });
    });
  }

  /** A URI as the server knows it. */
  uri(uri: vscode.Uri): string {
    return this.client?.code2ProtocolConverter.asUri(uri) ?? uri.toString();
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.turn.then(work, work);
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async begin(): Promise<void> {
    const program = await findProgram(this.context);
    if (!program) {
      this.become('missing');
      this.missing.fire();
      return;
    }
    this.program = program.path;
    this.log.info(`starting ${program.path} (${program.from})`);
    if (!(await isExecutable(program.path))) {
      this.fail(`${program.path} (${program.from}) is not a program`);
      return;
    }
    this.client = this.make(program.path);
    this.client.onDidChangeState((change) => {
      this.follow(change.newState);
    });
    try {
      await this.client.start();
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  private async end(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    this.become('off');
    // What never came up cannot be stopped: that is no reason to complain.
    await client?.dispose(5_000).catch(() => undefined);
  }

  private make(program: string): LanguageClient {
    const run = {
      command: program,
      args: ['lsp'],
      transport: TransportKind.stdio,
      options: { cwd: os.homedir() },
    };
    return new LanguageClient('codeworld', 'Codeworld', run, {
      documentSelector: ['file', 'untitled'].map((scheme) => ({ scheme, language: 'python' })),
      outputChannel: this.log,
      initializationOptions: serverSettings(),
      initializationFailedHandler: () => false,
      middleware: middleware(
        this.gate,
        this.uri(vscode.Uri.joinPath(this.context.extensionUri, 'package.json')),
        () => this.client,
        (change) => {
          this.thinking += change;
          this.changes.fire();
        },
        () => {
          this.edits.fire();
        },
      ),
    });
  }

  private follow(state: State): void {
    if (state === State.Running) {
      this.become('running');
    } else if (state === State.Starting) {
      this.become('starting');
    } else if (this.phase === 'running') {
      this.fail('it ended by itself'); // the client starts it again, but not for ever
    }
  }

  private fail(why: string): void {
    this.why = why;
    this.log.error(`the language server does not run: ${why}`);
    this.become('failed');
  }

  private become(phase: Phase): void {
    this.phase = phase;
    void vscode.commands.executeCommand('setContext', 'codeworld.running', phase === 'running');
    for (const name of OPTIONAL) {
      void vscode.commands.executeCommand('setContext', `codeworld.has.${name}`, this.has(name));
    }
    this.changes.fire();
  }
}
