import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { connectClient, type RawClient } from '../../helpers/client.ts';
import { until, untilPhase } from '../../helpers/processes.ts';
import { startLine } from '../upgrades.ts';

const script = 'test/fixtures/net-lines.js';

/** Sends a line and returns its answer. */
const ask = async (client: RawClient, line: string): Promise<string> => {
  const before = client.received().length;
  client.send(`${line}\n`);
  await until('an answer', () => client.received().endsWith('\n') && client.received().length > before);
  return client.received().slice(before).trimEnd();
};

test.serial('plain connections stay in the old process until their client leaves', async (t) => {
  const line = await startLine(t, { script });
  const clients = await Promise.all([connectClient(line.port), connectClient(line.port)]);
  for (const client of clients) t.is(await ask(client, 'x'), '100:1:x');
  const old = await line.upgrade();
  const fresh = await connectClient(line.port);
  t.is(await ask(fresh, 'x'), '101:1:x');
  await delay(300);
  for (const client of clients) t.is(await ask(client, 'y'), '100:2:y');
  t.is(old.state()?.phase, 'draining');
  clients[0].socket.end();
  clients[1].socket.destroy();
  t.like((await line.retire(old)).counters, { moved: 0, finished: 2, cut: 0 });
  t.is(await ask(fresh, 'z'), '101:2:z');
});

test.serial('a drain that takes too long cuts plain connections', async (t) => {
  const line = await startLine(t, { script, env: { SIDECAR_OPTIONS: '{"drainTimeoutMs":500}' } });
  const client = await connectClient(line.port);
  t.is(await ask(client, 'x'), '100:1:x');
  const old = await line.upgrade();
  t.like((await untilPhase(old, 'drained')).counters, { moved: 0, finished: 0, cut: 1 });
  await until('closed', () => client.closed());
});

test.serial('with consent, 50 connections that never pause lose and double no line over 5 upgrades', async (t) => {
  const line = await startLine(t, { script, env: { CONSENT: 'yes' } });
  const clients = await Promise.all(Array.from({ length: 50 }, () => connectClient(line.port)));
  let going = true;
  const counts = clients.map(async (client, index) => {
    let sent = 0;
    while (going) {
      sent += 1;
      // In two parts, so that some upgrades find half a line.
      const text = `line ${index}-${sent}\n`;
      client.send(text.slice(0, 5));
      await delay(1);
      client.send(text.slice(5));
      await delay(2);
    }
    return sent;
  });
  for (let upgrade = 0; upgrade < 5; upgrade += 1) {
    await delay(100);
    t.like((await line.replace()).counters, { moved: 50, finished: 0, cut: 0 });
  }
  going = false;
  const sent = await Promise.all(counts);
  for (const [index, client] of clients.entries()) {
    await until('all answers', () => client.received().split('\n').length - 1 >= (sent[index] ?? 0));
    const wrong = client
      .received()
      .trimEnd()
      .split('\n')
      .findIndex((answer, place) => !answer.endsWith(`:${place + 1}:line ${index}-${place + 1}`));
    t.is(wrong, -1);
    t.is(client.closed(), undefined);
  }
});

test.serial('a successor that is killed gives the plain connections it never got back to the first', async (t) => {
  const line = await startLine(t, { script });
  const client = await connectClient(line.port);
  t.is(await ask(client, 'x'), '100:1:x');
  const old = await line.upgrade();
  line.current().kill('SIGKILL');
  await untilPhase(old, 'serving');
  t.is(await ask(client, 'y'), '100:2:y');
  t.is(await ask(await connectClient(line.port), 'z'), '100:1:z');
  t.is(old.state()?.counters.takenBack, 1);
});
