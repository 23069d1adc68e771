import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createServer as createHttpServer, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect, createServer, isIPv6 } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { accept, bindUdp, close, duplicate, facts, listenTcp, socketPair } from '../../native/index.ts';
import { failsWith, until } from './helpers.ts';

const local = { host: '127.0.0.1', port: 0 };
const ipv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => isIPv6(address)));

function portOf(socket: number): number {
  const { address } = facts(socket);
  return address !== undefined && 'port' in address ? address.port : 0;
}

async function connected(t: ExecutionContext, host: string, port: number): Promise<Socket> {
  const socket = connect(port, host);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('facts of a TCP listener, with its accept queue', async (t) => {
  const listener = listenTcp({ ...local, backlog: 7 });
  const port = portOf(listener);
  const waiting = (length: number) => ({
    family: 'ipv4',
    type: 'stream',
    address: { host: '127.0.0.1', port },
    listening: true,
    acceptQueue: { length, limit: 7 },
  });
  t.deepEqual(facts(listener), waiting(0) as never);
  for (let count = 0; count < 3; count++) await connected(t, '127.0.0.1', port);
  await until('3 connections wait', () => facts(listener).acceptQueue?.length === 3);
  t.deepEqual(facts(listener), waiting(3) as never);
  const accepted = accept(listener) as number;
  t.is(facts(listener).acceptQueue?.length, 2);
  t.deepEqual(facts(accepted), {
    family: 'ipv4',
    type: 'stream',
    address: { host: '127.0.0.1', port },
    listening: false,
  });
  close(accepted);
  close(listener);
});

test('facts of UDP sockets and pairs', (t) => {
  const udp = bindUdp(local);
  t.deepEqual(facts(udp), {
    family: 'ipv4',
    type: 'datagram',
    address: { host: '127.0.0.1', port: portOf(udp) },
    listening: false,
  });
  close(udp);
  const [left, right] = socketPair();
  t.deepEqual(facts(left), { family: 'unix', type: 'stream', listening: false });
  close(left);
  close(right);
});

test('facts of what is no socket fail', (t) => {
  const file = openSync('/dev/null', 'r');
  failsWith(t, 'ENOTSOCK', 'getsockopt', () => facts(file));
  close(file);
  failsWith(t, 'EBADF', 'getsockopt', () => facts(100_000));
});

test('accept takes one connection at a time, then undefined', async (t) => {
  const listener = listenTcp({ ...local, backlog: 7 });
  t.is(accept(listener), undefined);
  await connected(t, '127.0.0.1', portOf(listener));
  let accepted: number | undefined;
  await until('a connection', () => (accepted = accept(listener)) !== undefined);
  t.is(accept(listener), undefined);
  close(accepted as number);
  const [left, right] = socketPair();
  failsWith(t, 'EINVAL', 'accept4', () => accept(left));
  close(left);
  close(right);
  close(listener);
});

test('a port in use is EADDRINUSE, unless all who bind it say reusePort', (t) => {
  const alone = listenTcp({ ...local, backlog: 1 });
  const taken = portOf(alone);
  failsWith(t, 'EADDRINUSE', 'bind', () => listenTcp({ host: '127.0.0.1', port: taken, backlog: 1 }));
  failsWith(t, 'EADDRINUSE', 'bind', () => listenTcp({ host: '127.0.0.1', port: taken, backlog: 1, reusePort: true }));
  const first = listenTcp({ ...local, backlog: 1, reusePort: true });
  const second = listenTcp({ host: '127.0.0.1', port: portOf(first), backlog: 1, reusePort: true });
  t.is(portOf(first), portOf(second));
  [alone, first, second].forEach((socket) => close(socket));
});

test('UDP: in use, and shared with reusePort', (t) => {
  const alone = bindUdp(local);
  failsWith(t, 'EADDRINUSE', 'bind', () => bindUdp({ host: '127.0.0.1', port: portOf(alone) }));
  const first = bindUdp({ ...local, reusePort: true });
  const second = bindUdp({ host: '127.0.0.1', port: portOf(first), reusePort: true });
  t.is(portOf(first), portOf(second));
  [alone, first, second].forEach((socket) => close(socket));
});

test('an address that is not of this machine is EADDRNOTAVAIL', (t) => {
  failsWith(t, 'EADDRNOTAVAIL', 'bind', () => listenTcp({ host: '192.0.2.1', port: 0, backlog: 1 }));
  failsWith(t, 'EADDRNOTAVAIL', 'bind', () => bindUdp({ host: '192.0.2.1', port: 0 }));
});

test('a port with a connection in TIME_WAIT can be bound again', async (t) => {
  const first = listenTcp({ ...local, backlog: 1 });
  const port = portOf(first);
  const client = await connected(t, '127.0.0.1', port);
  let accepted: number | undefined;
  await until('a connection', () => (accepted = accept(first)) !== undefined);
  // Who closes first keeps the TIME_WAIT.
  close(accepted as number);
  client.resume();
  await once(client, 'close');
  close(first);
  const second = listenTcp({ host: '127.0.0.1', port, backlog: 1 });
  t.is(portOf(second), port);
  close(second);
});

test('IPv6 takes IPv4 too, unless ipv6Only', async (t) => {
  if (!ipv6) {
    t.log('skipped: no IPv6 address here');
    t.pass();
    return;
  }
  const both = listenTcp({ host: '::', port: 0, backlog: 5 });
  t.is(facts(both).family, 'ipv6');
  await connected(t, '127.0.0.1', portOf(both));
  await connected(t, '::1', portOf(both));
  await until('both wait', () => facts(both).acceptQueue?.length === 2);
  failsWith(t, 'EADDRINUSE', 'bind', () => listenTcp({ host: '0.0.0.0', port: portOf(both), backlog: 1 }));
  const only = listenTcp({ host: '::', port: 0, backlog: 5, ipv6Only: true });
  const beside = listenTcp({ host: '0.0.0.0', port: portOf(only), backlog: 5 });
  const udp = bindUdp({ host: '::', port: 0, ipv6Only: true });
  const udpBeside = bindUdp({ host: '0.0.0.0', port: portOf(udp) });
  t.deepEqual(facts(udp), { ...facts(udp), family: 'ipv6', type: 'datagram', listening: false });
  [both, only, beside, udp, udpBeside].forEach((socket) => close(socket));
});

test('transparent binds an address of somebody else', (t) => {
  const hosts = ipv6 ? ['192.0.2.1', '2001:db8::1'] : ['192.0.2.1'];
  for (const host of hosts) {
    try {
      const listener = listenTcp({ host, port: 0, backlog: 1, transparent: true });
      const udp = bindUdp({ host, port: 0, transparent: true });
      t.deepEqual(facts(listener).address, { host, port: portOf(listener) });
      t.deepEqual(facts(udp).address, { host, port: portOf(udp) });
      close(listener);
      close(udp);
    } catch (error) {
      t.is((error as NodeJS.ErrnoException).code, 'EPERM');
      t.regex((error as Error).message, /^setsockopt IP(V6)?_TRANSPARENT: EPERM, /);
      t.log('skipped: transparent needs CAP_NET_ADMIN');
    }
  }
});

test('http serves on a listener of the addon', async (t) => {
  const fd = listenTcp({ ...local, backlog: 5 });
  const server = createHttpServer((_request, response) => response.end('served'));
  server.listen({ fd });
  await once(server, 'listening');
  t.is((server.address() as AddressInfo).port, portOf(fd));
  const [response] = (await once(get({ port: portOf(fd), agent: false }), 'response')) as [IncomingMessage];
  t.is(await text(response), 'served');
  server.close();
  await once(server, 'close');
});

test('a copy keeps the queue while the server that used the listener closes', async (t) => {
  const fd = listenTcp({ ...local, backlog: 5 });
  const first = createServer();
  first.listen({ fd: duplicate(fd) });
  await once(first, 'listening');
  first.close();
  await once(first, 'close');
  const client = await connected(t, '127.0.0.1', portOf(fd));
  const second = createServer((socket) => socket.end('second'));
  second.listen({ fd });
  t.is(await text(client), 'second');
  second.close();
});

test('dgram receives on a UDP socket of the addon', async (t) => {
  const fd = bindUdp(local);
  const port = portOf(fd);
  const socket = createSocket('udp4');
  // It listens within the call.
  socket.bind({ fd });
  const client = createSocket('udp4');
  client.send('datagram', port, '127.0.0.1');
  const [message] = (await once(socket, 'message')) as [Buffer];
  t.is(message.toString(), 'datagram');
  client.close();
  socket.close();
});
