// What the status bar says, from what is known. No VS Code in here: facts in, words out.

/** The part of codeworld.status that is looked at. */
export interface Report {
  server: { version: string; uptime_s: number };
  engine: {
    type: 'engine_status' | 'failed';
    state?: 'unloaded' | 'loading' | 'ready' | 'failed';
    device?: string;
    model?: string;
    detail?: string;
    resident_mb?: number;
    reason?: string;
  };
  folders: { root: string; index: string; files: number }[];
}

export interface Facts {
  phase: 'off' | 'starting' | 'running' | 'failed' | 'missing';
  why: string;
  closed: string | undefined;
  isThinking: boolean;
  report: Report | undefined;
}

export interface Shown {
  state: 'ready' | 'loading' | 'thinking' | 'off' | 'degraded' | 'error';
  icon: string;
  lines: string[];
}

/** The most important thing first: broken, off, loading, degraded, thinking, ready. */
export function shown(facts: Facts): Shown {
  if (facts.phase === 'missing') {
    return { state: 'error', icon: 'error', lines: ['No language server was found. Click to set it up.'] };
  }
  if (facts.phase === 'failed') {
    return { state: 'error', icon: 'error', lines: [`The language server does not run: ${facts.why}`] };
  }
  if (facts.closed) {
    return { state: 'off', icon: 'circle-slash', lines: [`Completions are off: ${facts.closed}.`] };
  }
  if (facts.phase !== 'running') {
    const lines = [facts.phase === 'off' ? 'The language server is stopped.' : 'The language server starts.'];
    return { state: 'loading', icon: 'loading~spin', lines };
  }
  return withEngine(facts);
}

function withEngine(facts: Facts): Shown {
  const engine = facts.report?.engine;
  const lines = describe(facts.report);
  if (engine?.state === 'loading') {
    return { state: 'loading', icon: 'loading~spin', lines: ['The model is being loaded.', ...lines] };
  }
  if (engine && (engine.state === 'failed' || isBroken(engine))) {
    const why = engine.detail ?? engine.reason ?? 'the engine does not answer';
    return {
      state: 'degraded',
      icon: 'warning',
      lines: [`Completions come from the repository only: ${why}`, ...lines],
    };
  }
  if (facts.isThinking) {
    return { state: 'thinking', icon: 'sync~spin', lines: ['Thinking.', ...lines] };
  }
  const idle = engine?.state === 'ready' ? 'Ready.' : 'Ready; the model is loaded when it is needed.';
  return { state: 'ready', icon: 'sparkle', lines: [idle, ...lines] };
}

/** "Not connected" is how it begins, and how it is after an idle engine ended: nothing is wrong then. */
function isBroken(engine: Report['engine']): boolean {
  return engine.type === 'failed' && engine.detail !== 'not connected';
}

function describe(report: Report | undefined): string[] {
  if (!report) {
    return [];
  }
  const engine = report.engine;
  const lines = report.folders.map((folder) => {
    const name = folder.root.split('/').pop() ?? folder.root;
    return folder.index === 'ready'
      ? `${name}: ${folder.files} files read`
      : `${name}: index ${folder.index}`;
  });
  if (engine.state === 'ready') {
    const memory = engine.resident_mb ? `, ${Math.round(engine.resident_mb)} MB, shared by all editors` : '';
    lines.unshift(`Model ${engine.model ?? '?'} on ${engine.device ?? '?'}${memory}.`);
    if (engine.detail) {
      lines.push(`Degraded: ${engine.detail}`);
    }
  }
  return lines;
}
