import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { parseStateFile } from '../../api/pod-contract.ts';
import { readStateFile } from '../../local/state-file.ts';
import { makeWorkspace } from '../../local/workspace.ts';

const state = {
  version: '7',
  role: 'first',
  phase: 'serving',
  pid: 1,
  startedAt: 5,
  heartbeatAt: 6,
  holdsListeners: true,
  counters: { moved: 3, handoverMs: 1.5 },
};

test('a state file is read back, without what is not known', (t) => {
  t.deepEqual(
    parseStateFile(JSON.stringify({ ...state, extra: 1, counters: { ...state.counters, x: 1, cut: 'no' } })),
    state,
  );
});

test('each field of the wrong kind makes it invalid', (t) => {
  for (const name of ['version', 'role', 'phase', 'pid', 'startedAt', 'heartbeatAt', 'holdsListeners']) {
    for (const wrong of [undefined, null, {}, -1, 'x']) {
      t.is(
        typeof parseStateFile(JSON.stringify({ ...state, [name]: wrong })),
        'string',
        `${name} ${JSON.stringify(wrong)}`,
      );
    }
  }
});

test('no text makes the parser throw', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => ['string', 'object'].includes(typeof parseStateFile(text))),
  );
  t.pass();
});

test('a link, a FIFO, a folder, garbage and a huge file count as absent', (t) => {
  const workspace = makeWorkspace();
  t.teardown(() => workspace.remove());
  const directory = workspace.directory('d');
  const path = (version: number) => join(directory, `${version}.json`);
  writeFileSync(path(1), JSON.stringify(state));
  symlinkSync(path(1), path(2));
  execFileSync('mkfifo', [path(3)]);
  mkdirSync(path(4));
  writeFileSync(path(5), '{');
  writeFileSync(path(6), JSON.stringify({ ...state, padding: 'x'.repeat(65 * 1024) }));
  t.is(readStateFile(directory, '1')?.phase, 'serving');
  for (const version of ['2', '3', '4', '5', '6', '7']) t.is(readStateFile(directory, version), undefined, version);
});

test('a workspace falls back to a short directory, or says what to do', (t) => {
  const long = `/${'x'.repeat(90)}`;
  const workspace = makeWorkspace([long, '/tmp']);
  t.teardown(() => workspace.remove());
  t.true(workspace.root.startsWith('/tmp/baton-'));
  t.throws(() => makeWorkspace([long]), { code: 'ERR_BATON_PATH_TOO_LONG', message: /TMPDIR/ });
});
