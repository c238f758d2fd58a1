import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shown, type Facts, type Report } from './status';

const report: Report = {
  server: { version: '0.1.0', uptime_s: 5 },
  engine: { type: 'engine_status', state: 'ready', device: 'cpu', model: 'm', resident_mb: 600.4 },
  folders: [{ root: '/work/shop', index: 'ready', files: 5 }],
};
const facts: Facts = { phase: 'running', why: '', closed: undefined, isThinking: false, report };
const engine = (changed: Partial<Report['engine']>) => ({
  ...facts,
  report: { ...report, engine: { ...report.engine, ...changed } },
});

void test('ready, with what is there to know', () => {
  const { state, lines } = shown(facts);
  assert.equal(state, 'ready');
  assert.deepEqual(lines, ['Ready.', 'Model m on cpu, 600 MB, shared by all editors.', 'shop: 5 files read']);
});

void test('what is broken comes before what is off, and that before what is being done', () => {
  assert.equal(shown({ ...facts, phase: 'failed', closed: 'snoozed' }).state, 'error');
  assert.equal(shown({ ...facts, closed: 'snoozed', isThinking: true }).state, 'off');
  assert.equal(shown({ ...engine({ state: 'loading' }), isThinking: true }).state, 'loading');
  assert.equal(shown({ ...facts, isThinking: true }).state, 'thinking');
});

void test('a degraded engine says why', () => {
  const { state, lines } = shown(engine({ state: 'failed', detail: 'no memory' }));
  assert.equal(state, 'degraded');
  assert.match(lines[0] ?? '', /no memory/);
});

void test('an engine that is not needed yet is no trouble', () => {
  const idle = {
    ...facts,
    report: { ...report, engine: { type: 'failed', detail: 'not connected' } as const },
  };
  assert.equal(shown(idle).state, 'ready');
});
