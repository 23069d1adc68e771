import * as native from '../native/index.ts';
import type { Channel } from './channel.ts';
import type { Core } from './core.ts';
import { codeOf } from './errors.ts';
import type { Frame } from './frames.ts';
import { fromFrame } from './moving.ts';
import type { Served } from './served.ts';

/**
 * Makes a connection that the peer sent this process's. The order keeps two processes from reading one stream: the
 * acknowledgement is written first, and only when the kernel has taken it is the connection read. If that fails, the
 * peer has taken the connection back, and this process's descriptor is closed unread.
 */
export function receiveConnection(core: Core, channel: Channel, { message, descriptors }: Frame): void {
  if (message.type !== 'connection') return;
  const [descriptor, ...surplus] = descriptors;
  for (const other of surplus) native.close(other);
  const server = core.servers.get(message.name);
  const code = refusalOf(server, descriptor, message.upgraded);
  if (code !== undefined || descriptor === undefined || !server) {
    if (descriptor !== undefined) native.close(descriptor);
    channel.send({ type: 'nack', id: message.id, ...(code !== undefined && { code }) });
    return;
  }
  channel.send({ type: 'ack', id: message.id }, [], (error) => {
    if (error) {
      native.close(descriptor);
      return;
    }
    core.keeper.count({ received: core.keeper.state.counters.received + 1 });
    server.adopt(fromFrame(message, descriptor));
    core.progress({ type: 'received', name: message.name, remote: message.remote });
  });
}

function refusalOf(
  server: Served | undefined,
  descriptor: number | undefined,
  upgraded: boolean | undefined,
): string | undefined {
  if (!server) return 'ERR_BATON_UNKNOWN_SOCKET';
  // Another version of the sidecar served it without TLS, or without HTTP/2.
  if (!server.adopts) return 'ERR_BATON_KIND';
  if (upgraded && !server.adoptsUpgraded) return 'ERR_BATON_KIND';
  if (descriptor === undefined) return 'ERR_BATON_MESSAGE';
  try {
    const { type, listening } = native.facts(descriptor);
    return type === 'stream' && !listening ? undefined : 'ERR_BATON_KIND';
  } catch (error) {
    return codeOf(error) === 'ENOTSOCK' ? 'ERR_BATON_KIND' : (codeOf(error) ?? 'ERR_BATON_UNEXPECTED');
  }
}
