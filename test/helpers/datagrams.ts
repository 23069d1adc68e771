import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import { until } from './processes.ts';

/** Senders of numbered datagrams, each of which wants one answer; see {@link startDatagrams}. */
export interface Datagrams {
  /** How many each version answered. */
  answered(): Record<string, number>;
  sent(): number;
  /** Those that were never answered, and those that were answered twice, as text. */
  lost(): string[];
  doubled(): string[];
  /** Waits for so many further answers, each from that version if given. */
  goesOn(more?: number, version?: number): Promise<void>;
  /** Sends no more, and waits until all answers came, but for so many that may never. */
  pause(missing?: number): Promise<void>;
  resume(): void;
  /** What whoever reads has to its credit. */
  counts(): Promise<{ version: string; counts: Record<string, number> }>;
}

const TICK_MS = 2;
/** Under way for each sender, at most: together far less than the smallest buffer of a socket holds. */
const WINDOW = 16;
/** One that is overdue makes room for others; it may still be answered. */
const OVERDUE_MS = 2000;

export async function startDatagrams(
  t: ExecutionContext,
  port: number,
  { host = '127.0.0.1', senders: count = 4, each = 2 } = {},
): Promise<Datagrams> {
  const answers = new Map<string, string[]>();
  let running = true;
  const open = async (): Promise<Socket> => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.connect(port, host);
    await once(socket, 'connect');
    // Nobody is bound there for a moment, where a test wants that.
    socket.on('error', () => undefined);
    t.teardown(() => socket.close());
    return socket;
  };

  const senders = await Promise.all(
    Array.from({ length: count }, async (_, id) => {
      const socket = await open();
      const pending = new Map<string, number>();
      let next = 0;
      socket.on('message', (message) => {
        const [, text = '', version = ''] = /^(\d+-\d+):(\d+)$/.exec(String(message)) ?? [];
        pending.delete(text);
        answers.get(text)?.push(version);
      });
      const timer = setInterval(() => {
        const now = performance.now();
        const recent = [...pending.values()].filter((since) => now - since < OVERDUE_MS).length;
        for (let room = Math.min(each, WINDOW - recent); running && room > 0; room -= 1) {
          const text = `${id}-${next++}`;
          pending.set(text, now);
          answers.set(text, []);
          socket.send(text);
        }
      }, TICK_MS);
      t.teardown(() => clearInterval(timer));
      return pending;
    }),
  );
  const asker = await open();
  const total = (version?: number): number =>
    [...answers.values()].filter(([own]) => own !== undefined && (version === undefined || own === String(version)))
      .length;

  const load: Datagrams = {
    answered() {
      const by: Record<string, number> = {};
      for (const [version] of answers.values()) if (version !== undefined) by[version] = (by[version] ?? 0) + 1;
      return by;
    },
    sent: () => answers.size,
    lost: () => [...answers].flatMap(([text, own]) => (own.length === 0 ? [text] : [])),
    doubled: () => [...answers].flatMap(([text, own]) => (own.length > 1 ? [`${text} by ${own.join()}`] : [])),
    async goesOn(more = 50, version) {
      const before = total(version);
      await until(`${more} answers${version ? ` from ${version}` : ''}`, () => total(version) >= before + more);
    },
    async pause(missing = 0) {
      running = false;
      const due = (): number => senders.reduce((sum, pending) => sum + pending.size, 0);
      await until('all answers', () => due() <= missing);
    },
    resume() {
      running = true;
    },
    async counts() {
      const answer = once(asker, 'message') as Promise<[Buffer]>;
      asker.send('counts');
      const [text] = await answer;
      return JSON.parse(String(text)) as Awaited<ReturnType<Datagrams['counts']>>;
    },
  };
  return load;
}
