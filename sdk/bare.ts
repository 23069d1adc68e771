import * as fs from 'node:fs';
import { get } from 'node:http';
import * as native from '../native/index.ts';
import { BatonError, codeOf, messageOf } from './errors.ts';

/** Where the demo's new process listens for the old one, and what it asks for over HTTP (sidecarset.md 3.2). */
export const MIGRATE_SOCKET = '/dev/shm/migrate.sock';
export const MIGRATE_PATH = '/migrate';
/** What the message says beside the descriptor; readers of the demo look at the descriptor only. */
const PAYLOAD = Buffer.alloc(1);
/** A predecessor that answers at all answers at once. In milliseconds. */
const ANSWER_MS = 10_000;

/** How the gift of a listener ended: the peer read it and closed, or it went away without reading it. */
export type Given = 'taken' | 'lost';

const watchOnce = (descriptor: number): Promise<void> =>
  new Promise((resolve) => {
    const watcher = native.watch(descriptor, { readable: true }, () => {
      watcher.close();
      resolve();
    });
  });

/**
 * The old process's part: dials the new one and sends the listener in one message. `sent` is called when the message is on its
 * way, which is all that the demo's old process ever knows. What became of it is told by the end of the connection: a
 * peer that closes with the message unread resets it (unix(7), ECONNRESET).
 *
 * @param descriptor stays the caller's
 * @throws SystemError of connecting or sending; BatonError `ERR_BATON_PEER` when another user listens there
 */
export async function giveListener(
  path: string,
  descriptor: number,
  { uid, sent }: { uid: number; sent: () => void },
): Promise<Given> {
  const socket = native.connectUnix(path);
  try {
    const peer = native.credentials(socket);
    if (peer.uid !== uid && peer.uid !== 0) {
      throw new BatonError('ERR_BATON_PEER', `the process at ${path} runs as user ${peer.uid}, this one as ${uid}`, {
        facts: { peer: peer.uid, own: uid },
      });
    }
    native.send(socket, PAYLOAD, [descriptor]);
    sent();
    const scrap = Buffer.alloc(64);
    for (;;) {
      await watchOnce(socket);
      if (native.receive(socket, scrap, 0)?.bytes === 0) return 'taken';
    }
  } catch (error) {
    if (codeOf(error) === 'ECONNRESET') return 'lost';
    throw error;
  } finally {
    native.close(socket);
  }
}

/**
 * The new process's part: listens at `path`, asks the old one over HTTP to migrate, and takes the listener that it sends.
 *
 * @returns the listening descriptor, the caller's; `undefined` when nobody answers at that address
 * @throws BatonError `ERR_BATON_BARE` when the old process answers and hands nothing over
 */
export async function takeListener(
  path: string,
  { host, port }: { host: string; port: number },
): Promise<number | undefined> {
  // The demo's own way: whatever an earlier process left there is removed.
  fs.rmSync(path, { force: true });
  const listener = native.listenUnix(path, 1);
  const over = new AbortController();
  try {
    const limit = AbortSignal.any([over.signal, AbortSignal.timeout(ANSWER_MS)]);
    const asked = ask({ host, port }, limit);
    asked.catch(() => undefined);
    const received = receiveListener(listener, limit);
    received.catch(() => undefined);
    try {
      await asked;
    } catch (error) {
      if (['ECONNREFUSED', 'EADDRNOTAVAIL'].includes(codeOf(error) ?? '')) return undefined;
      throw refusal(path, messageOf(error), error);
    }
    return await received.catch((error: unknown) => {
      throw refusal(path, messageOf(error), error);
    });
  } finally {
    // Before the descriptor is closed: its watcher must not outlive it.
    over.abort();
    native.close(listener);
    fs.rmSync(path, { force: true });
  }
}

const refusal = (path: string, because: string, cause: unknown): BatonError =>
  new BatonError(
    'ERR_BATON_BARE',
    `the old process handed no listener over at ${path}: ${because}. It serves on; look at its log, and at who may write there.`,
    { facts: { path }, cause },
  );

/** Resolves once the old process said yes. */
const ask = ({ host, port }: { host: string; port: number }, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = get({ host, port, path: MIGRATE_PATH, agent: false, signal }, (response) => {
      response.resume();
      response.once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`it answered ${response.statusCode ?? 'nothing'}`));
      });
    });
    request.once('error', reject);
  });

/** Takes the listener out of the first message that comes. */
async function receiveListener(listener: number, signal: AbortSignal): Promise<number> {
  const next = async <T>(descriptor: number, read: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = read();
      if (found !== undefined) return found;
      await readable(descriptor, signal);
    }
  };
  const socket = await next(listener, () => native.accept(listener));
  try {
    const buffer = Buffer.alloc(4096);
    const { descriptors } = await next(socket, () => native.receive(socket, buffer, 1));
    const [descriptor] = descriptors;
    if (descriptor === undefined) throw new Error('its message carried no descriptor');
    const { type, listening } = native.facts(descriptor);
    if (type === 'stream' && listening) return descriptor;
    native.close(descriptor);
    throw new Error('what it sent does not listen');
  } finally {
    native.close(socket);
  }
}

const readable = (descriptor: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const done = (): void => {
      watcher.close();
      signal.removeEventListener('abort', done);
      if (signal.aborted) reject(new Error(`nothing came in ${ANSWER_MS} ms`));
      else resolve();
    };
    const watcher = native.watch(descriptor, { readable: true }, done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
