import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Scope } from '../../helpers/processes.ts';

/** What kube-proxy is to a Service: one port before several replicas, of which those count that take connections. */
export interface Front {
  readonly port: number;
  /** The replicas' ports. */
  readonly replicas: Set<number>;
  /** While closed, it takes no connections and has none. */
  setOpen(isOpen: boolean): void;
}

export async function startFront(t: Scope): Promise<Front> {
  const replicas = new Set<number>();
  const sockets = new Set<Socket>();
  let turn = 0;
  let isOpen = true;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((near) => {
    if (!isOpen) {
      near.destroy();
      return;
    }
    sockets.add(near);
    near.on('error', () => near.destroy()).on('close', () => sockets.delete(near));
    const ports = [...replicas];
    const order = [...ports.slice(turn), ...ports.slice(0, turn)];
    turn = (turn + 1) % Math.max(1, replicas.size);
    joinOneOf(order, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    cut();
    server.close();
    await once(server, 'close');
  });
  return {
    port: (server.address() as AddressInfo).port,
    replicas,
    setOpen(open) {
      isOpen = open;
      if (!open) cut();
    },
  };
}

/** Joins a connection to the first port that takes it. */
function joinOneOf([port, ...others]: readonly number[], near: Socket): void {
  if (port === undefined || near.destroyed) {
    near.destroy();
    return;
  }
  const far = connect(port, '127.0.0.1');
  let joined = false;
  far.on('connect', () => {
    joined = true;
    near.pipe(far).pipe(near);
  });
  far.on('error', () => {
    if (joined) near.destroy();
    else joinOneOf(others, near);
  });
  far.on('close', () => joined && near.destroy());
  near.on('close', () => far.destroy());
}
