import type { Channel } from './channel.ts';
import type { Core } from './core.ts';
import { MAX_DESCRIPTORS } from './frames.ts';
import type { Served } from './served.ts';
import { ticketsOf } from './sessions.ts';

/** What a successor that speaks this protocol can be offered: a socket of a kind that it does not know stays here. */
export const offeredTo = (protocol: number, { servers }: Core): Served[] =>
  [...servers.values()].filter(({ description }) => protocol > 1 || description.kind !== 'udp');

/** What a successor is told before it is ready. */
function statesOf({ states, servers }: Core): Map<string, Buffer> {
  const all = new Map(states);
  for (const [name, server] of servers) {
    const tickets = server.tickets();
    if (tickets) all.set(ticketsOf(name), tickets);
  }
  return all;
}

/** Sends sockets and state. Returns both: the state as it was told, because what is put later is sent with `stopped`. */
export function sendOffer(
  channel: Channel,
  protocol: number,
  core: Core,
): { sockets: string[]; told: Map<string, Buffer> } {
  const list = offeredTo(protocol, core);
  const told = statesOf(core);
  for (let start = 0; start === 0 || start < list.length; start += MAX_DESCRIPTORS) {
    const part = list.slice(start, start + MAX_DESCRIPTORS);
    channel.send(
      {
        type: 'offer',
        protocol,
        version: core.identity.version,
        sockets: part.map(({ description }) => description),
        total: list.length,
        states: told.size,
      },
      part.map(({ descriptor }) => descriptor),
    );
  }
  for (const [key, bytes] of told) channel.send({ type: 'state', key, bytes: bytes.toString('base64') });
  return { sockets: list.map(({ description }) => description.name), told };
}
