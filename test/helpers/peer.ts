import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import * as native from '../../native/index.ts';
import { createFrameReader, encodeFrame, type Frame } from '../../sdk/frames.ts';
import type { Message } from '../../sdk/messages.ts';
import { until } from './processes.ts';

/** One end of a control connection that says what it likes. */
export interface FakePeer {
  readonly frames: Frame[];
  /** Why the line is over; `undefined` while it is open. */
  closed(): string | undefined;
  /** Any value as a frame, with descriptors that are announced unless told otherwise. */
  say(message: object, descriptors?: readonly number[], announced?: number): void;
  /** Bytes as they are; what does not fit waits. */
  raw(bytes: Uint8Array, descriptors?: readonly number[]): void;
  /** The next frame of this type; earlier ones are passed over. Fails when the line ends first. */
  next<T extends Message['type']>(type: T, timeoutMs?: number): Promise<Extract<Message, { type: T }>>;
  /** Says `ping` every half second from now on. */
  alive(): void;
  close(): void;
}

/** Speaks over a connected Unix socket, whose descriptor it takes over; `reads: false` never looks at what comes. */
export function fakePeer(t: ExecutionContext, socket: number, { reads = true } = {}): FakePeer {
  const reader = createFrameReader();
  const buffer = Buffer.alloc(64 * 1024);
  const frames: Frame[] = [];
  const queue: { bytes: Uint8Array; descriptors: readonly number[] }[] = [];
  let closed: string | undefined;
  let seen = 0;
  let pinging: NodeJS.Timeout | undefined;

  const flush = (): void => {
    try {
      for (let next = queue[0]; next; next = queue[0]) {
        const count = native.send(socket, next.bytes, next.descriptors);
        if (count === undefined) break;
        next.descriptors = [];
        next.bytes = next.bytes.subarray(count);
        if (next.bytes.length === 0) queue.shift();
      }
    } catch (error) {
      queue.length = 0;
      if (!reads) over((error as native.SystemError).code);
    }
    if (closed === undefined) watcher.update({ readable: reads, writable: queue.length > 0 });
  };
  const over = (reason: string): void => {
    if (closed !== undefined) return;
    closed = reason;
    clearInterval(pinging);
    watcher.close();
    native.close(socket);
  };
  const pull = (): void => {
    try {
      for (let got = native.receive(socket, buffer); got; got = native.receive(socket, buffer)) {
        const { frames: complete, error } = reader.push(buffer.subarray(0, got.bytes), got.descriptors);
        frames.push(...complete);
        if (error) throw error;
        if (got.bytes > 0) continue;
        over('end');
        return;
      }
    } catch (error) {
      over((error as { code: string }).code);
    }
  };
  const watcher = native.watch(socket, { readable: reads }, ({ readable, writable }) => {
    if (readable && reads) pull();
    if (writable && closed === undefined) flush();
  });
  const peer: FakePeer = {
    frames,
    closed: () => closed,
    say: (message, descriptors = [], announced = descriptors.length) =>
      peer.raw(encodeFrame(message as Message, announced), descriptors),
    raw(bytes, descriptors = []) {
      if (closed !== undefined) return;
      queue.push({ bytes, descriptors });
      flush();
    },
    async next(type, timeoutMs = 15_000) {
      return until(
        `the frame ${type}`,
        () => {
          while (seen < frames.length) {
            const message = frames[seen++]?.message;
            if (message?.type === type) return message as Extract<Message, { type: typeof type }>;
          }
          if (closed !== undefined) {
            throw new Error(
              `the line ended (${closed}) before ${type}; seen: ${JSON.stringify(frames.map((f) => f.message))}`,
            );
          }
          return undefined;
        },
        timeoutMs,
      );
    },
    alive() {
      pinging ??= setInterval(() => peer.say({ type: 'ping' }), 500);
    },
    close: () => over('closed here'),
  };
  t.teardown(() => {
    over('test over');
    for (const { descriptors } of frames) for (const descriptor of descriptors) native.close(descriptor);
    for (const descriptor of reader.unclaimed()) native.close(descriptor);
  });
  return peer;
}

/** A fake successor of the version that listens in this folder. */
export const fakeSuccessor = (
  t: ExecutionContext,
  directory: string,
  version: string | number,
  options?: { reads?: boolean },
): FakePeer => fakePeer(t, native.connectUnix(join(directory, `${version}.sock`)), options);

/** A fake predecessor: listens as that version and gives each peer that comes to `meet`, with its number. */
export function fakePredecessor(
  t: ExecutionContext,
  directory: string,
  version: string | number,
  meet: (peer: FakePeer, count: number) => void,
): { close(): void } {
  const listener = native.listenUnix(join(directory, `${version}.sock`), 16);
  let count = 0;
  let open = true;
  const watcher = native.watch(listener, { readable: true }, () => {
    const socket = native.accept(listener);
    if (socket !== undefined) meet(fakePeer(t, socket), ++count);
  });
  const close = (): void => {
    if (!open) return;
    open = false;
    watcher.close();
    native.close(listener);
  };
  t.teardown(close);
  return { close };
}

/** A greeting that is in order, but for what is told. */
export const hello = (change: Record<string, unknown> = {}): object => ({
  type: 'hello',
  protocol: 1,
  version: '200',
  nofile: 100_000,
  openFds: 20,
  ...change,
});

/** How many descriptors a process has open. */
export const openDescriptors = (pid: number | undefined): number => fs.readdirSync(`/proc/${pid}/fd`).length;

/** The fewest that it has open within a tenth of a second: clients that connect anew come and go meanwhile. */
export async function fewestDescriptors(pid: number | undefined): Promise<number> {
  let fewest = Infinity;
  for (let look = 0; look < 50; look++) {
    fewest = Math.min(fewest, openDescriptors(pid));
    await delay(2);
  }
  return fewest;
}
