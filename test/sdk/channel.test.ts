import { once } from 'node:events';
import * as fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import fc from 'fast-check';
import { openDescriptors, target } from '../native/helpers.ts';
import * as native from '../../native/index.ts';
import { converse } from '../../sdk/conversation.ts';
import { drain } from '../../sdk/drain.ts';
import { encodeFrame } from '../../sdk/frames.ts';
import type { Moving } from '../../sdk/moving.ts';
import type { Served } from '../../sdk/served.ts';
import { openPair, openSide, turns, untilHeard } from '../helpers/pair.ts';
import { until } from '../helpers/processes.ts';

test('frames of megabytes go through a full buffer, in order, with their descriptors', async (t) => {
  const [one, other] = openPair(t);
  const order: number[] = [];
  const file = fs.openSync('/dev/null', 'r');
  t.teardown(() => fs.closeSync(file));
  for (let index = 0; index < 6; index++) {
    const bytes = String.fromCharCode(97 + index).repeat(index % 2 === 0 ? 3_000_000 : 10);
    one.channel.send({ type: 'state', key: String(index), bytes }, index % 3 === 0 ? [file, file] : [], (error) => {
      t.is(error, undefined);
      order.push(index);
    });
  }
  t.true(order.length < 6, 'the buffer is full');
  await untilHeard(other, 6);
  t.deepEqual(order, [0, 1, 2, 3, 4, 5]);
  for (const [index, { message, descriptors }] of other.frames.entries()) {
    if (message.type !== 'state') continue;
    t.is(message.key, String(index));
    t.is(message.bytes.length, index % 2 === 0 ? 3_000_000 : 10);
    t.is(descriptors.length, index % 3 === 0 ? 2 : 0);
    for (const descriptor of descriptors) native.close(descriptor);
  }
});

test('who says nothing else is kept alive by pings; silence and a peer that never reads end it', async (t) => {
  const [lively, partner] = openPair(t);
  const silent = native.socketPair();
  const toSilent = openSide(t, silent[0]);
  const deaf = native.socketPair();
  const toDeaf = openSide(t, deaf[0]);
  // It lives, says so, and reads nothing.
  const ping = encodeFrame({ type: 'ping' });
  const chatter = setInterval(() => {
    try {
      native.send(deaf[1], ping);
    } catch {
      clearInterval(chatter);
    }
  }, 300);
  t.teardown(() => {
    clearInterval(chatter);
    for (const socket of [silent[1], deaf[1]]) native.close(socket);
  });
  const failures: (Error | undefined)[] = [];
  toDeaf.channel.send({ type: 'state', key: 'a', bytes: 'x'.repeat(4_000_000) }, [], (error) => failures.push(error));
  await until('both are given up', () => toSilent.endings.length > 0 && toDeaf.endings.length > 0);
  t.like(toSilent.endings, [{ code: 'ERR_BATON_SILENT', facts: { stalled: false } }]);
  t.like(toDeaf.endings, [{ code: 'ERR_BATON_SILENT', facts: { stalled: true } }]);
  t.like(failures, [{ code: 'ERR_BATON_DISCONNECTED' }]);
  t.deepEqual([lively.endings, partner.endings], [[], []]);
  t.true(lively.frames.filter(({ message }) => message.type === 'ping').length >= 2);
});

test('a frame that takes longer than a silence may last is no silence', async (t) => {
  const [near, far] = native.socketPair();
  const side = openSide(t, near);
  const frame = encodeFrame({ type: 'state', key: 'k', bytes: 'x'.repeat(39_000) });
  let sent = 0;
  const sender = setInterval(() => {
    if (sent < frame.length) sent += native.send(far, frame.subarray(sent, sent + 1000)) ?? 0;
  }, 100);
  t.teardown(() => {
    clearInterval(sender);
    native.close(far);
  });
  await untilHeard(side, 1);
  t.deepEqual(side.heard(), ['state']);
  t.deepEqual(side.endings, []);
});

test('close is a fence: what was acknowledged before counts, nothing after', async (t) => {
  const [one, other] = openPair(t);
  const written: (Error | undefined)[] = [];
  other.channel.send({ type: 'ack', id: 1 }, [], (error) => written.push(error));
  one.channel.close();
  t.deepEqual(
    one.frames.map(({ message }) => message),
    [{ type: 'ack', id: 1 }],
  );
  other.channel.send({ type: 'ack', id: 2 }, [], (error) => written.push(error));
  await until('the other side learns', () => written.length === 2);
  t.is(written[0], undefined);
  t.truthy(written[1]);
  t.is(one.frames.length, 1);
  t.deepEqual(one.endings, [], 'closed here, so nothing ended');
  await until('the end', () => other.endings.length === 1);
});

test('answers, and what was given away, count also behind a frame that made this side close', async (t) => {
  const [socket, peer] = native.socketPair();
  t.teardown(() => native.close(peer));
  const side = openSide(t, socket, ({ message }, own) => {
    if (message.type === 'back') own.channel.close();
  });
  native.send(
    peer,
    Buffer.concat([
      encodeFrame({ type: 'ack', id: 1 }),
      encodeFrame({ type: 'back' }),
      encodeFrame({ type: 'ack', id: 2 }),
      encodeFrame({ type: 'state', key: '', bytes: '' }),
      encodeFrame({ type: 'nack', id: 3 }),
      encodeFrame({ type: 'final', key: '', bytes: '', id: 1 }),
    ]),
  );
  await untilHeard(side, 5);
  t.deepEqual(side.heard(), ['ack', 'back', 'ack', 'nack', 'final']);
});

test('answers before garbage in one read count, and the peer is told what it did', async (t) => {
  const [one, peer] = native.socketPair();
  t.teardown(() => native.close(peer));
  const side = openSide(t, one);
  native.send(peer, Buffer.concat([encodeFrame({ type: 'ack', id: 1 }), Buffer.alloc(8)]));
  await until('the end', () => side.endings.length === 1);
  t.deepEqual(side.heard(), ['ack']);
  t.like(side.endings[0], { code: 'ERR_BATON_FRAME' });
  const into = Buffer.alloc(1000);
  const { bytes } = native.receive(peer, into) ?? { bytes: 0 };
  t.regex(into.toString('utf8', 4, bytes), /"refuse","code":"ERR_BATON_FRAME"/);
});

test('a failed write is reported once, in a later turn, and by the callbacks of all that waited', async (t) => {
  const [socket, peer] = native.socketPair();
  const side = openSide(t, socket);
  native.close(peer);
  const failures: unknown[] = [];
  for (let id = 0; id < 3; id++) side.channel.send({ type: 'ack', id }, [], (error) => failures.push(error));
  t.deepEqual([failures, side.endings], [[], []]);
  await until('the end', () => side.endings.length > 0);
  await turns();
  t.is(side.endings.length, 1);
  t.is(failures.length, 3);
  t.true(failures.every(Boolean));
});

// Counts the process's descriptors, so no other test may run.
test.serial('no descriptor is left of frames that nobody took', async (t) => {
  // What the frames carried; the rest of the process's descriptors are the runtime's too, and change.
  const carried = (): number => openDescriptors().filter((descriptor) => target(descriptor) === '/dev/null').length;
  const before = carried();
  for (let round = 0; round < 20; round++) {
    const [one, other] = native.socketPair();
    const file = fs.openSync('/dev/null', 'r');
    const sender = openSide(t, one);
    const waiting = converse(other, { version: 'test' });
    for (let id = 0; id < 5; id++) {
      sender.channel.send({ type: 'connection', id, name: 'http', local: '', remote: '', head: '' }, [file, file]);
    }
    if (round % 3 === 0) await turns();
    if (round % 3 === 1)
      await waiting
        .next(['connection'], { timeoutMs: 5000 })
        .then(({ descriptors }) => descriptors.forEach(native.close));
    if (round % 3 === 2)
      await t.throwsAsync(waiting.next(['offer'], { timeoutMs: 5000 }), { code: 'ERR_BATON_MESSAGE' });
    waiting.close();
    sender.channel.close();
    fs.closeSync(file);
  }
  t.is(carried(), before);
});

test('a refusal is heard also by one that was still writing', async (t) => {
  const [socket, peer] = native.socketPair();
  const conversation = converse(socket, { version: 'test' });
  t.teardown(() => conversation.close());
  native.send(peer, encodeFrame({ type: 'refuse', code: 'ERR_BATON_PEER', message: 'not you' }));
  native.close(peer);
  conversation.channel.send({ type: 'ping' });
  await t.throwsAsync(conversation.next(['offer'], { timeoutMs: 5000 }), { code: 'ERR_BATON_PEER' });
});

test('a conversation: refusals, time, and signals', async (t) => {
  const make = (): [ReturnType<typeof openSide>, ReturnType<typeof converse>] => {
    const [one, other] = native.socketPair();
    const conversation = converse(other, { version: 'test' });
    t.teardown(() => conversation.close());
    return [openSide(t, one), conversation];
  };
  const [refusing, refused] = make();
  refusing.channel.send({ type: 'refuse', code: 'ERR_BATON_BUSY', message: 'busy' });
  await t.throwsAsync(refused.next(['offer'], { timeoutMs: 5000 }), { code: 'ERR_BATON_BUSY', message: /busy/ });
  const [, waiting] = make();
  await t.throwsAsync(waiting.next(['offer'], { timeoutMs: 50 }), { code: 'ERR_BATON_TIMEOUT' });
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error('enough')), 20);
  await t.throwsAsync(waiting.next(['offer'], { timeoutMs: 5000, signal: abort.signal }), { message: 'enough' });
  const [leaving, left] = make();
  leaving.channel.send({ type: 'stopped' });
  leaving.channel.close();
  // What was said before the end is heard.
  t.is((await left.next(['stopped'], { timeoutMs: 5000 })).message.type, 'stopped');
  await t.throwsAsync(left.next(['offer'], { timeoutMs: 5000 }), { code: 'ERR_BATON_DISCONNECTED' });
});

test('a conversation that ends while it is handed on tells so once', async (t) => {
  const [one, other] = native.socketPair();
  const side = openSide(t, one);
  const conversation = converse(other, { version: 'test' });
  t.teardown(() => conversation.close());
  side.channel.send({ type: 'stopped' });
  side.channel.close();
  await turns();
  const told: string[] = [];
  conversation.handle({
    frame: ({ message }) => {
      told.push(message.type);
      conversation.channel.send({ type: 'ping' });
    },
    ended: () => told.push('ended'),
  });
  await turns();
  t.deepEqual(told, ['stopped', 'ended']);
});

/*
 * Who owns a connection, tried with two channels and every timing that the event loop gives: the giver offers, the taker
 * acknowledges and owns once that is written, and either closes at any moment.
 */
test('at no time do both sides, or neither in the end, own a connection', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 30 }),
      fc.nat({ max: 12 }),
      fc.constantFrom('giver', 'taker', 'both'),
      fc.nat({ max: 40 }),
      async (count, pause, closer, stuffing) => {
        const [one, other] = native.socketPair();
        const given = new Set<number>();
        const kept = new Set<number>();
        const taken = new Set<number>();
        const let_go = new Set<number>();
        const giver = openSide(t, one, ({ message }) => {
          if (message.type === 'ack') given.add(message.id);
        });
        const taker = openSide(t, other, ({ message }) => {
          if (message.type !== 'connection') return;
          const { id } = message;
          taker.channel.send({ type: 'ack', id }, [], (error) => (error ? let_go : taken).add(id));
        });
        // A taker with much to say meets a full buffer, and its answers wait.
        for (let part = 0; part < stuffing; part++)
          taker.channel.send({ type: 'state', key: '', bytes: 'x'.repeat(30_000) });
        const closing = (side: typeof giver): void => side.channel.close();
        for (let id = 0; id < count; id++) {
          giver.channel.send({ type: 'connection', id, name: '', local: '', remote: '', head: '' });
        }
        for (let turn = 0; turn < pause; turn++) await new Promise((resolve) => setImmediate(resolve));
        if (closer !== 'taker') closing(giver);
        if (closer !== 'giver') closing(taker);
        await until('both are over', () => {
          if (closer === 'giver') return taker.endings.length > 0;
          return closer === 'both' || giver.endings.length > 0;
        });
        for (let id = 0; id < count; id++) if (!given.has(id)) kept.add(id);
        for (let id = 0; id < count; id++) {
          t.false(kept.has(id) && taken.has(id), `both own ${id}`);
          t.true(kept.has(id) || taken.has(id), `nobody owns ${id}`);
        }
        closing(giver);
        closing(taker);
      },
    ),
    { numRuns: 150 },
  );
});

test('what a peer could write before the fence was heard, also where it writes at that very moment', async (t) => {
  const worker = new Worker(new URL('../fixtures/sdk/acknowledge.js', import.meta.url));
  t.teardown(() => worker.terminate());
  for (let round = 0; round < 300; round++) {
    const [one, other] = native.socketPair();
    let heard = 0;
    const side = openSide(t, one, ({ message }) => {
      if (message.type === 'ack' && message.id === heard) heard += 1;
    });
    worker.postMessage(other);
    const written = once(worker, 'message');
    while (heard < round % 30) await new Promise((resolve) => setImmediate(resolve));
    side.channel.close();
    const [count] = (await written) as [number];
    if (heard !== count) t.fail(`${count} acknowledgements were written, ${heard} heard`);
  }
  t.pass();
});

test('a line that breaks in the middle of a batch: all connections come back', async (t) => {
  const [socket, peer] = native.socketPair();
  const idle = Array.from({ length: 100 }, (_, index): Moving => {
    return {
      name: 'http',
      descriptor: fs.openSync('/dev/null', 'r'),
      local: '',
      remote: String(index),
      head: Buffer.alloc(0),
    };
  });
  t.teardown(() => idle.forEach(({ descriptor }) => fs.closeSync(descriptor)));
  const home = new Set(idle);
  const served = {
    description: { name: 'http' },
    take: (limit: number) => [...home].slice(0, limit).map((moving) => (home.delete(moving), moving)),
    adopt: (moving: Moving) => home.add(moving),
    count: () => home.size,
    drain: () => undefined,
    resume: () => undefined,
  } as unknown as Served;
  const side = openSide(t, socket);
  const going = drain([served], side.channel, {
    timeoutMs: 60_000,
    moved: () => t.fail('nobody took it'),
    done: () => t.fail('it is not done'),
  });
  native.close(peer);
  await until('the end', () => side.endings.length > 0);
  going.stop(true);
  t.is(home.size, 100);
});
