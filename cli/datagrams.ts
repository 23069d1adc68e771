import type { BindDatagrams } from '../agent/notifications/datagram-socket.ts';
import { available, bindUnix, close, receive, watch } from '../native/index.ts';

const MAX_BYTES = 64 * 1024;

/** Binds Unix datagram sockets, which Node.js has none of; descriptors that come along are closed. */
const bind: BindDatagrams = (path, onDatagram) => {
  const socket = bindUnix(path);
  const into = Buffer.alloc(MAX_BYTES);
  // One at a time: the callback may close.
  const watcher = watch(socket, { readable: true }, () => {
    const received = receive(socket, into, 0);
    if (received) onDatagram(Buffer.from(into.subarray(0, received.bytes)));
  });
  return {
    close() {
      watcher.close();
      close(socket);
    },
  };
};

/** How notices of sidecars are received; undefined where the addon does not load: then their state files are polled. */
export const loadDatagrams = (): BindDatagrams | undefined => (available() ? bind : undefined);
