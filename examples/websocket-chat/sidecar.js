// A chat whose members stay connected over upgrades: connect to ws://HOST:PORT/ROOM?name=NAME, send lines.
import { createServer } from 'node:http';
import { MOVED, serve, webSockets } from 'baton-sidecar';
import { WebSocketServer } from 'ws';

const { HOST = '127.0.0.1', PORT = '9094', SIDECARSET_VERSION: version = '1' } = process.env;

const server = createServer((request, response) => response.end(`chat, version ${version}\n`));
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
const members = new Map(); // client -> what moves along with it

const tell = (room, line) => {
  for (const [client, member] of members) if (member.room === room) client.send(line);
};

sockets.on('connection', (client, request) => {
  const { pathname, searchParams } = new URL(request.url, 'http://chat');
  const moved = members.get(client); // restored, when it comes from the old version
  const member = moved ?? { room: pathname.slice(1), name: searchParams.get('name') ?? 'somebody', lines: 0 };
  members.set(client, member);
  if (!moved) tell(member.room, `* ${member.name} joined`);
  client.on('message', (line) => {
    if (String(line) === '/version') return client.send(`* version ${version}`);
    member.lines += 1;
    tell(member.room, `${member.name} (${member.lines}): ${line}`);
  });
  client.on('close', (code) => {
    members.delete(client);
    if (code !== MOVED) tell(member.room, `* ${member.name} left`);
  });
});

const consent = webSockets(sockets, {
  save: (client) => Buffer.from(JSON.stringify(members.get(client))),
  restore: (client, bytes) => members.set(client, JSON.parse(String(bytes))),
});
await serve(server, { name: 'chat', host: HOST, port: Number(PORT), ...consent }, { name: 'websocket-chat' });
console.log(`version ${version} serves ${HOST}:${PORT}`);
