// A chat: a client of ws://HOST:PORT/ROOM?name=NAME gets all that is said in its room. Its connection, its name and its place
// survive an upgrade, and nobody misses or hears twice what is said meanwhile.
import { createServer } from 'node:http';
import { MOVED, serve, webSockets } from 'baton-sidecar';
import { WebSocketServer } from 'ws';

const { HOST = '127.0.0.1', PORT = '9094', SIDECARSET_VERSION: version = '1' } = process.env;
const REMEMBERED = 1000;
const GATHER_MS = 1000;

const server = createServer((request, response) => response.end(`chat, version ${version}\n`));
const sockets = new WebSocketServer({ server, perMessageDeflate: false });

/** What is known of each client: `seen` is the number of the last line it got, for each version that it was at. */
const members = new Map();
/** The last lines that were said at this version. */
const lines = [];
let count = 0;

function tell(client, { number, room, text }) {
  const member = members.get(client);
  if (member?.room !== room) return;
  member.seen[version] = number;
  client.send(text);
}

function say(room, text) {
  const line = { number: (count += 1), room, text };
  if (lines.push(line) > REMEMBERED) lines.shift();
  for (const client of members.keys()) tell(client, line);
}

sockets.on('connection', (client, request) => {
  if (!members.has(client)) {
    const { pathname, searchParams } = new URL(request.url, 'http://chat');
    const member = { room: pathname, name: searchParams.get('name') ?? 'somebody', seen: { [version]: count } };
    members.set(client, member);
    say(member.room, `* ${member.name} joined`);
  }
  const { room, name } = members.get(client);
  client.on('message', (text) => say(room, `${name}: ${text}`));
  client.on('error', (error) => console.error(`${name}: ${error.message}`));
  client.on('close', (code) => {
    members.delete(client);
    if (code !== MOVED) say(room, `* ${name} left`);
  });
});

// What is said here after the first client has moved would not reach it. So all stop first, and then move together.
let gathering;
function startGathering() {
  let end;
  const done = new Promise((resolve) => (end = resolve));
  // One that is in the middle of a message holds up the others for so long, at most.
  const timer = setTimeout(() => gathering.end(), GATHER_MS);
  return {
    standing: new Set(),
    done,
    end() {
      clearTimeout(timer);
      gathering = undefined;
      end();
    },
  };
}
function gather(client) {
  gathering ??= startGathering();
  const { standing, done } = gathering;
  standing.add(client);
  if ([...members.keys()].every((one) => standing.has(one) || one.readyState > 1)) gathering.end();
  return done;
}

const consent = webSockets(sockets, {
  settle: gather,
  save: (client) => Buffer.from(JSON.stringify(members.get(client))),
  restore(client, bytes) {
    const member = JSON.parse(String(bytes));
    const last = member.seen[version] ?? 0;
    members.set(client, member);
    // Others were here before it, and may have said something.
    for (const line of lines) if (line.number > last) tell(client, line);
  },
});

await serve(server, { name: 'chat', host: HOST, port: Number(PORT), ...consent }, { name: 'websocket-chat' });
console.log(`version ${version} serves ${HOST}:${PORT}`);
