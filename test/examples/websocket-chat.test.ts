import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { freePort, temporaryDirectory, until } from '../helpers/processes.ts';
import { openRaw } from '../helpers/websocket.ts';
import { run } from './run.ts';

/** The chat, and how to replace its version with the next one. */
async function startChat(t: ExecutionContext) {
  const PORT = String(await freePort());
  const BATON_DIR = temporaryDirectory(t);
  let newest = 0;
  const start = async (older = 0) => {
    const version = (newest += 1);
    const versions = { SIDECARSET_VERSION: String(version), SIDECARSET_VERSION_ALT: String(older) };
    const running = run(t, 'examples/websocket-chat/sidecar.js', { PORT, BATON_DIR, ...versions });
    await until(`version ${version} serves`, () => {
      if (running.child.exitCode !== null) throw new Error(running.output());
      return running.output().includes(`version ${version} serves`);
    });
    return { ...running, version };
  };
  let current = await start();
  return {
    port: Number(PORT),
    version: async () => (await fetch(`http://127.0.0.1:${PORT}/`, { headers: { connection: 'close' } })).text(),
    /** The old version ends once it is drained; or the new one gives back and ends. */
    async upgrade(giveBack = false) {
      const [old, next] = [current, await start(current.version)];
      const [goes, stays] = giveBack ? [next, old] : [old, next];
      if (giveBack) await delay(300);
      goes.kill('SIGTERM');
      t.is((await goes.exited).code, 0, goes.output());
      current = stays;
    },
  };
}

test.serial('examples/websocket-chat: names and rooms survive; who comes and goes is told as it is', async (t) => {
  const chat = await startChat(t);
  const alice = await openRaw(chat.port, '/garden?name=alice');
  const bob = await openRaw(chat.port, '/garden?name=bob');
  const carol = await openRaw(chat.port, '/kitchen?name=carol');
  await until('all are there', () => alice.messages.length === 2 && carol.messages.length === 1);
  await chat.upgrade();
  t.is(await chat.version(), 'chat, version 2\n');
  bob.send('hello');
  await until('it is heard', () => alice.messages.length === 3);
  bob.socket.destroy();
  await until('it is told', () => alice.messages.length === 4);
  t.deepEqual(alice.messages, ['* alice joined', '* bob joined', 'bob: hello', '* bob left']);
  t.deepEqual(carol.messages, ['* carol joined']);
  t.is(alice.closed(), undefined);
});

test.serial(
  'examples/websocket-chat: what is said during upgrades and a rollback is heard by all, once and in order',
  async (t) => {
    const chat = await startChat(t);
    const names = ['alice', 'bob', 'carol', 'dave'];
    const clients = await Promise.all(names.map((name) => openRaw(chat.port, `/garden?name=${name}`)));
    await until('all are there', () => clients.every(({ messages }) => messages.includes('* dave joined')));
    let going = true;
    t.teardown(() => (going = false));
    const talking = clients.map(async (client) => {
      let said = 0;
      while (going) {
        said += 1;
        client.send(String(said));
        await delay(4);
      }
      return said;
    });
    for (const giveBack of [false, true, false]) {
      await delay(200);
      await chat.upgrade(giveBack);
    }
    going = false;
    const said = await Promise.all(talking);
    for (const client of clients) {
      for (const [index, name] of names.entries()) {
        const own = (): string[] => client.messages.map(String).filter((line) => line.startsWith(`${name}:`));
        await until('all that was said', () => own().length >= (said[index] ?? 0));
        t.deepEqual(
          own().filter((line, place) => line !== `${name}: ${place + 1}`),
          [],
        );
        t.is(own().length, said[index] ?? 0);
      }
      t.false(client.messages.some((line) => /left/.test(String(line))));
      t.is(client.closed(), undefined);
    }
    t.is(await chat.version(), 'chat, version 4\n');
  },
);
