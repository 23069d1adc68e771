import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Scope } from '../../helpers/processes.ts';

/** Stands between a client and a server, for faults of the network. */
export interface Proxy {
  port: number;
  /** Connections at the moment. */
  open(): number;
  /** Breaks all connections. */
  cut(): void;
  /** While refused, each new connection is broken. */
  refuse(isRefused: boolean): void;
  /** While silent, nothing comes through, and no connection ends. */
  silence(isSilent: boolean): void;
}

export async function startProxy(t: Scope, target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<[Socket, Socket]>();
  let isRefused = false;
  let isSilent = false;
  const cut = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const server = createServer((near) => {
    if (isRefused) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (data) => void to.write(data));
      if (isSilent) from.pause();
      // What ends one end ends the other; there is nothing else to do about it.
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    cut();
  });
  return {
    port: (server.address() as AddressInfo).port,
    open: () => pairs.size,
    cut,
    refuse: (value) => (isRefused = value),
    silence(value) {
      isSilent = value;
      for (const pair of pairs)
        for (const socket of pair)
          if (value) socket.pause();
          else socket.resume();
    },
  };
}
