// A sidecar without the SDK that keeps the contract with the pod: environment, state file, progress channel. It hands the port
// over by closing its listener and having the successor bind: enough for clients that keep their connection.
import { channel } from 'node:diagnostics_channel';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';

const {
  SIDECARSET_VERSION: version,
  SIDECARSET_VERSION_ALT: alt,
  BATON_DIR: dir,
  HOST: host,
  PORT: port,
} = process.env;
const role = version === '0' ? 'idle' : alt === '0' ? 'first' : BigInt(version) > BigInt(alt) ? 'successor' : 'stale';
const counters = { inherited: 0, bound: 0, moved: 0, received: 0, finished: 0, cut: 0, takenBack: 0 };
const state = {
  version,
  role,
  phase: 'starting',
  pid: process.pid,
  startedAt: Date.now(),
  holdsListeners: false,
  counters,
};
const frames = channel('baton:frame');
let closing = false;

function save(changes = {}) {
  Object.assign(state, changes, { heartbeatAt: Date.now() });
  const temporary = join(dir, `.${version}.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(state));
  renameSync(temporary, join(dir, `${version}.json`));
}

const server = http.createServer((request, response) => {
  response.setHeader('x-sidecar-version', version);
  if (closing) response.setHeader('connection', 'close');
  request.resume().on('end', () => response.end(`version ${version}\n`));
});
server.keepAliveTimeout = 60_000;

function listen() {
  server.listen({ host, port: Number(port) });
}
server.on('error', () => setTimeout(listen, 5));
server.on('listening', () => {
  counters.bound++;
  closing = false;
  save({ phase: 'serving', servingAt: Date.now(), holdsListeners: true });
  offer();
});

// Lines of the control socket stand for the protocol's frames.
function talk(socket, receive) {
  let text = '';
  let peer;
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    const lines = (text + chunk).split('\n');
    text = lines.pop();
    for (const line of lines) {
      const [type, sender] = line.split(' ');
      peer = sender;
      frames.publish({ version, peer, direction: 'received', type });
      receive(type);
    }
  });
  return (type) =>
    socket.write(`${type} ${version}\n`, () => frames.publish({ version, peer, direction: 'sent', type }));
}

let control;
function offer() {
  if (control) return;
  const path = join(dir, `${version}.sock`);
  rmSync(path, { force: true });
  control = net.createServer((socket) => {
    let stopped = false;
    let over = false;
    const send = talk(socket, (type) => {
      if (type === 'hello') send('offer');
      if (type === 'ready') {
        stopped = true;
        net.Server.prototype.close.call(server);
        save({ phase: 'draining' });
        send('stopped');
      }
      if (type === 'ping') {
        over = true;
        closing = true;
        const drained = setInterval(() => {
          server.getConnections((_, count) => {
            if (count > 0 || !closing) return;
            clearInterval(drained);
            save({ phase: 'drained', drainedAt: Date.now() });
          });
        }, 20);
      }
    });
    socket.on('close', () => {
      if (!stopped) return;
      counters.takenBack += over ? 0 : 1;
      closing = false;
      listen();
    });
  });
  control.listen(path);
}

function follow() {
  const socket = net.connect(join(dir, `${alt}.sock`));
  let taking = false;
  const send = talk(socket, (type) => {
    if (type === 'offer') send('ready');
    if (type !== 'stopped') return;
    taking = true;
    listen();
    server.once('listening', () => send('ping'));
  });
  socket.on('close', () => {
    if (!taking) listen();
  });
  socket.on('connect', () => send('hello'));
}

process.on('SIGTERM', () => process.exit(0));
setInterval(save, 1000);
console.log(`version ${version} alt ${alt} role ${role} ${process.env.GREETING ?? ''}`);
if (role === 'idle') save({ phase: 'idle' });
else if (role === 'stale') save({ phase: 'waiting' });
else if (role === 'first') listen();
else {
  save({ phase: 'waiting' });
  follow();
}
