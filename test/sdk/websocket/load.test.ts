import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { until } from '../../helpers/processes.ts';
import { talk, type Talk } from '../../helpers/websocket.ts';
import { startLine } from '../upgrades.ts';
import { withNode, withPieces, withWs } from './clients.ts';

const script = 'test/fixtures/websocket.js';

test.serial('100 clients that never rest, 20 upgrades: none is closed, no message is lost or doubled', async (t) => {
  t.timeout(120_000);
  const line = await startLine(t, { script });
  const url = `ws://127.0.0.1:${line.port}`;
  let going = true;
  t.teardown(() => (going = false));
  // Some of each kind without a rest; a hundred of those would leave the machine no time to start processes.
  const options = { going: () => going, everyMs: 20 };
  const fast = { ...options, everyMs: 3 };
  const large = { ...options, size: 1 << 20, everyMs: 200 };
  const talks = [
    ...Array.from({ length: 36 }, () => talk(withWs(`${url}/?push=50`), options)),
    ...Array.from({ length: 4 }, () => talk(withWs(`${url}/?push=3`), fast)),
    ...Array.from({ length: 24 }, () => talk(withNode(`${url}/?push=50`), options)),
    ...Array.from({ length: 3 }, () => talk(withNode(`${url}/?push=3`), fast)),
    ...Array.from({ length: 27 }, () => talk(withPieces(line.port, '/?push=50'), options)),
    ...Array.from({ length: 3 }, () => talk(withPieces(line.port, '/?push=3'), fast)),
    // A megabyte each way.
    talk(withWs(`${url}/?push=25`), large),
    talk(withNode(url), large),
    talk(withPieces(line.port, '/'), large),
  ];
  const results = talks.map(({ result }) => result);
  await until('all talk', () => results.every(({ answered }) => answered > 0));
  for (let upgrade = 0; upgrade < 20; upgrade += 1) {
    await delay(100);
    const { counters } = await line.replace();
    t.like(counters, { moved: 100, finished: 0, cut: 0 });
  }
  going = false;
  await Promise.all(talks.map(({ done }) => done));
  t.deepEqual(
    results.flatMap(({ wrong }) => wrong ?? []),
    [],
  );
  const sum = (of: (talk: Talk) => number): number => results.reduce((all, result) => all + of(result), 0);
  const [sent, answered, pushed] = [sum((r) => r.sent), sum((r) => r.answered), sum((r) => r.pushed)];
  t.log(`${sent} messages, ${answered} answers, ${pushed} pushes over 20 upgrades; 2000 connections moved`);
  t.is(answered, sent);
  t.true(pushed > 1000, `${pushed} pushes`);
  t.true(results.filter(({ versions }) => versions.size >= 15).length >= 97, 'each was answered by all versions');
});
