import { chmodSync, closeSync, fstatSync, unlinkSync } from 'node:fs';
import { ApiError } from '../../api/error.ts';
import { codeOf, hold, inside, itself } from '../pod-directory/descriptor.ts';
import type { BindDatagrams, DatagramSocket } from './datagram-socket.ts';
import { readNotice, type Notice } from './notice.ts';

/** `agent.sock` in one sidecar's folder. */
export interface Mailbox {
  /** Stops listening; {@link removeSocket} removes the file. */
  close(): void;
}

export interface MailboxOptions {
  bind: BindDatagrams;
  /** Milliseconds, of any clock. */
  now: () => number;
  onNotice: (notice: Notice) => void;
  /** Called once, after the mailbox closed itself: `ERR_BATON_FLOOD`. */
  onFlood: (error: ApiError) => void;
}

const socketName = 'agent.sock';
/** Two copies send about 20 a second at the very most; who sends more is no copy of ours, and is listened to no longer. */
const maxPerSecond = 200;

/**
 * Binds `agent.sock` in a folder that is held open, in place of one that a killed agent left. Any user of the container may send.
 *
 * @throws the system's error: something of the pod's that cannot be removed is in its place
 */
export function openMailbox(folder: number, { bind, now, onNotice, onFlood }: MailboxOptions): Mailbox {
  removeSocket(folder);
  let socket: DatagramSocket | undefined;
  let second = now();
  let count = 0;
  const close = (): void => {
    socket?.close();
    socket = undefined;
  };
  socket = bind(inside(folder, socketName), (bytes) => {
    if (!socket) return;
    if (now() - second >= 1000) [second, count] = [now(), 0];
    count += 1;
    if (count > maxPerSecond) {
      close();
      const message = `more than ${maxPerSecond} datagrams a second came: listening no longer, the state files are polled`;
      onFlood(new ApiError('ERR_BATON_FLOOD', message, { facts: { limit: maxPerSecond } }));
      return;
    }
    const notice = readNotice(bytes);
    if (notice) onNotice(notice);
  });
  try {
    letAnybodySend(folder);
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

/** Through a descriptor: the pod may have put a link to anything of the node's in the socket's place meanwhile. */
function letAnybodySend(folder: number): void {
  const held = hold(inside(folder, socketName));
  if (held === undefined) return;
  try {
    if (fstatSync(held).isSocket()) chmodSync(itself(held), 0o666);
  } finally {
    closeSync(held);
  }
}

/** Removes what is called `agent.sock` in the folder, if anything is; a link is removed, not what it leads to. */
export function removeSocket(folder: number): void {
  try {
    unlinkSync(inside(folder, socketName));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
