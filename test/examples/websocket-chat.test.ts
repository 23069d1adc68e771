import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { WebSocket } from 'ws';
import { freePort, temporaryDirectory, until } from '../helpers/processes.ts';
import { run } from './run.ts';

const member = async (t: ExecutionContext, port: number, room: string, name: string) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${room}?name=${name}`);
  const heard: string[] = [];
  const closes: number[] = [];
  socket.on('message', (line: Buffer) => heard.push(line.toString()));
  socket.on('close', (code) => closes.push(code));
  t.teardown(() => socket.terminate());
  await once(socket, 'open');
  return { socket, heard, closes, hears: (line: string) => until(`hears ${line}`, () => heard.includes(line)) };
};

test.serial('examples/websocket-chat: its members stay, with their names and counts, over upgrades', async (t) => {
  const port = await freePort();
  const BATON_DIR = temporaryDirectory(t);
  const start = async (version: number, alternative: number) => {
    const running = run(t, 'examples/websocket-chat/sidecar.js', {
      PORT: String(port),
      BATON_DIR,
      SIDECARSET_VERSION: String(version),
      SIDECARSET_VERSION_ALT: String(alternative),
    });
    await until(`version ${version} serves`, () => {
      if (running.child.exitCode !== null) throw new Error(running.output());
      return running.output().includes(`version ${version} serves`);
    });
    return running;
  };
  let current = await start(1, 0);
  const ann = await member(t, port, 'garden', 'ann');
  const bob = await member(t, port, 'garden', 'bob');
  const eve = await member(t, port, 'cellar', 'eve');
  await ann.hears('* bob joined');
  for (const version of [2, 3, 4]) {
    const next = await start(version, version - 1);
    current.kill('SIGTERM');
    t.is((await current.exited).code, 0, current.output());
    current = next;
    bob.socket.send('/version');
    await bob.hears(`* version ${version}`);
    ann.socket.send(`hello ${version}`);
    await bob.hears(`ann (${version - 1}): hello ${version}`);
  }
  t.deepEqual(
    ann.heard.filter((line) => line.startsWith('*')),
    ['* ann joined', '* bob joined'],
    'nobody left, nobody joined again',
  );
  t.deepEqual(eve.heard, ['* eve joined']);
  t.deepEqual([...ann.closes, ...bob.closes, ...eve.closes], []);
  bob.socket.close();
  await ann.hears('* bob left');
});
