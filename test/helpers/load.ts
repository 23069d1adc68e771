import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { until } from './processes.ts';

/** A client on one keep-alive connection that asks one numbered question after the other. */
export interface Keeper {
  readonly id: number;
  /** Questions asked, and answers that came, in order. */
  asked(): number;
  answered(): number;
  /** The version that answered last. */
  version(): string | undefined;
  /** What went wrong: the connection ended, or the bytes were not the answer to its question. */
  failure(): string | undefined;
}

/** Clients that never rest; see {@link startLoad}. */
export interface Load {
  readonly keepers: readonly Keeper[];
  /** What became of those that connected anew each time. */
  readonly fresh: { answered: number; refused: number; broken: string[]; versions: Map<string, number> };
  /** The keepers that failed. */
  failed(): Keeper[];
  /** Waits until every keeper that is not lost got `more` further answers, the last of them from that version if given. */
  goesOn(t: ExecutionContext, more?: number, version?: string | number): Promise<void>;
  /** Asks nothing more, and waits for the answers that are due; one that never comes is that keeper's failure. */
  stop(): Promise<void>;
}

const THINK_MS = 4;

/** `keepers` keep-alive clients with numbered requests, and `fresh` loops that use a new connection for each request. */
export async function startLoad(
  t: ExecutionContext,
  port: number,
  { keepers: keeperCount = 20, fresh: freshCount = 2 } = {},
): Promise<Load> {
  let running = true;
  const pending = new Set<Promise<void>>();
  const fresh: Load['fresh'] = { answered: 0, refused: 0, broken: [], versions: new Map() };
  const keepers = await Promise.all(Array.from({ length: keeperCount }, (_, id) => keep(port, id, () => running)));

  const renew = async (): Promise<void> => {
    while (running) {
      const outcome = await askOnce(port);
      if ('version' in outcome) {
        fresh.answered += 1;
        fresh.versions.set(outcome.version, (fresh.versions.get(outcome.version) ?? 0) + 1);
      } else if (outcome.error === 'ECONNREFUSED') fresh.refused += 1;
      else fresh.broken.push(outcome.error);
      await delay(THINK_MS);
    }
  };
  for (let loop = 0; loop < freshCount; loop++) pending.add(renew());

  const load: Load = {
    keepers,
    fresh,
    failed: () => keepers.filter((keeper) => keeper.failure() !== undefined),
    async goesOn(context, more = 3, version) {
      const before = new Map(keepers.map((keeper) => [keeper, keeper.answered()]));
      const freshBefore = fresh.answered;
      await until(
        `every client goes on${version === undefined ? '' : ` with version ${version}`}`,
        () =>
          keepers.every(
            (keeper) =>
              keeper.failure() !== undefined ||
              (keeper.answered() >= (before.get(keeper) ?? 0) + more &&
                (version === undefined || keeper.version() === String(version))),
          ) &&
          (freshCount === 0 || fresh.answered > freshBefore + more),
      ).catch((error: unknown) => {
        context.log(load.keepers.map((k) => `${k.id}: ${k.answered()}/${k.asked()} v${k.version()} ${k.failure()}`));
        throw error;
      });
    },
    async stop() {
      running = false;
      await Promise.all([...pending, ...keepers.map((keeper) => keeper.finish())]);
    },
  };
  t.teardown(() => {
    running = false;
    for (const keeper of keepers) keeper.socket.destroy();
  });
  return load;
}

async function keep(
  port: number,
  id: number,
  running: () => boolean,
): Promise<Keeper & { socket: Socket; finish(): Promise<void> }> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1').setNoDelay(true);
  let asked = 0;
  let answered = 0;
  let version: string | undefined;
  let failure: string | undefined;
  let buffer = '';
  const path = (): string => `/keeper-${id}/${asked}`;
  const ask = (): void => {
    if (!running() || failure !== undefined) return;
    asked += 1;
    socket.write(`GET ${path()} HTTP/1.1\r\nHost: test\r\n\r\n`);
  };
  const fail = (reason: string): void => {
    failure ??= reason;
  };
  socket.on('data', (chunk: string) => {
    buffer += chunk;
    const answer = /^(HTTP\/1\.1 200 OK\r\n[^]*?)\r\n\r\n/.exec(buffer);
    const length = answer && Number(/^content-length: (\d+)/im.exec(answer[1] ?? '')?.[1]);
    if (!answer || length === null || buffer.length < answer[0].length + length) {
      if (!'HTTP/1.1 200 OK'.startsWith(buffer.slice(0, 15))) fail(`not an answer: ${buffer.slice(0, 60)}`);
      return;
    }
    const body = buffer.slice(answer[0].length);
    buffer = '';
    if (asked === answered) fail('an answer that nobody asked for');
    if (body.length !== length) fail('more than one answer');
    if (!body.includes(`${path()},`)) fail(`the wrong answer: ${body}`);
    answered += 1;
    version = /^x-sidecar-version: (\S+)/im.exec(answer[0])?.[1];
    if (/^connection: close/im.test(answer[0])) fail('told to close');
    setTimeout(ask, THINK_MS);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
  socket.on('close', () => running() && fail('closed'));
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  ask();
  return {
    id,
    socket,
    asked: () => asked,
    answered: () => answered,
    version: () => version,
    failure: () => failure,
    async finish() {
      await until('the last answer', () => failure !== undefined || asked === answered, 5000).catch(() =>
        fail(`question ${asked} was never answered`),
      );
      socket.destroy();
    },
  };
}

/** One request on one connection. */
export const askOnce = (port: number): Promise<{ version: string } | { error: string }> =>
  new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1').setEncoding('latin1');
    socket.write('GET /fresh HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    socket.on('close', () => {
      const version = /^x-sidecar-version: (\S+)[^]*bytes\n$/im.exec(text)?.[1];
      resolve(version === undefined ? { error: `closed after ${text.length} bytes` } : { version });
    });
  });
