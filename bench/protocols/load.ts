// The load generator: a process of its own, so that nothing disturbs its measuring. Arguments: protocol, port, connections,
// rate. It says `ready` when all clients are connected, and answers `stop` with what they saw.
import { setMaxListeners } from 'node:events';
import { makePace, pause, untilDue, type Pace } from '../../cli/rehearsal/pace.ts';
import { clients, type Open, type Protocol } from './clients.ts';

/** What all clients saw. */
export interface Seen {
  /** When each answered question was due (milliseconds since the epoch), and for how long its client waited from then on. */
  waits: [due: number, ms: number][];
  failures: string[];
  /** Questions that the server had not looked at and that were asked again. */
  retried: number;
  /** Connections that the server ended, or said that it will. */
  closed: number;
}

const TIMEOUT_MS = 10_000;
// A refused client would otherwise ask again thousands of times per second.
const AFTER_FAILURE_MS = 50;

async function runLoad(protocol: Protocol, port: number, count: number, rate: number): Promise<void> {
  const seen: Seen = { waits: [], failures: [], retried: 0, closed: 0 };
  const stop = new AbortController();
  // Each client waits with it.
  setMaxListeners(0, stop.signal);
  const askers = await Promise.all(Array.from({ length: count }, () => makeAsker(clients[protocol](), port, seen)));
  process.once('message', () => stop.abort());
  process.send?.('ready');
  const start = performance.now();
  await Promise.all(
    askers.map((asker, index) => keepAsking(asker, makePace(rate, index, count, start), seen, stop.signal)),
  );
  process.send?.(seen, () => process.disconnect());
}

interface Asker {
  /** Until there is an answer, over as many connections as it takes. */
  ask(number: number): Promise<void>;
  close(): void;
}

async function makeAsker(open: Open, port: number, seen: Seen): Promise<Asker> {
  let connection = await open(port);
  return {
    async ask(number) {
      for (;;) {
        if (!connection.isOpen()) {
          seen.closed += 1;
          connection.close();
          connection = await open(port);
        }
        if ((await inTime(connection.ask(number))) === 'answered') return;
        seen.retried += 1;
      }
    },
    close: () => connection.close(),
  };
}

async function keepAsking(asker: Asker, pace: Pace, seen: Seen, signal: AbortSignal): Promise<void> {
  for (let number = 0; ; number += 1) {
    const due = await untilDue(pace, signal);
    if (due === undefined) break;
    try {
      await asker.ask(number);
      seen.waits.push([performance.timeOrigin + due, performance.now() - due]);
    } catch (error) {
      seen.failures.push((error as Error).message);
      await pause(AFTER_FAILURE_MS, signal);
    }
  }
  asker.close();
}

/** Its late answer would not be taken for another's: each question has its number. */
function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer for ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

const [, , protocol, ...numbers] = process.argv;
const [port = 0, connections = 0, rate = 0] = numbers.map(Number);
await runLoad(protocol as Protocol, port, connections, rate);
