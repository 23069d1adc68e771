import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket as WsClient } from 'ws';
import { frameOf, openRaw, type Line } from '../../helpers/websocket.ts';

/** Makes a client of one kind for `talk`. */
export type Opener = (hear: (text: string) => void, ended: (why: string) => void) => Promise<Line>;

/** The client of the package `ws`. */
export const withWs =
  (url: string): Opener =>
  async (hear, ended) => {
    const client = new WsClient(url, { perMessageDeflate: false });
    client.on('message', (data: Buffer) => hear(String(data)));
    client.on('close', (code) => ended(String(code)));
    client.on('error', (error) => ended(error.message));
    await once(client, 'open');
    return { send: (text) => client.send(text), close: () => client.close() };
  };

interface Standard extends EventTarget {
  send(text: string): void;
  close(): void;
}

/** The client that Node brings (undici), which offers compression; that of `ws` where there is none (Node 20). */
export const withNode = (url: string): Opener => {
  const { WebSocket } = globalThis as { WebSocket?: new (url: string) => Standard };
  if (!WebSocket) return withWs(url);
  return async (hear, ended) => {
    const client = new WebSocket(url);
    client.addEventListener('message', (event) => hear(String((event as Event & { data: unknown }).data)));
    client.addEventListener('close', (event) => ended(String((event as Event & { code: number }).code)));
    client.addEventListener('error', () => ended('error'));
    await once(client, 'open');
    return { send: (text) => client.send(text), close: () => client.close() };
  };
};

/** Frames in pieces: a message in two fragments with a ping in between, each frame in packets of its own. */
export const withPieces =
  (port: number, path: string): Opener =>
  async (hear, ended) => {
    const client = await openRaw(port, path);
    let heard = 0;
    const look = (): void => {
      for (; heard < client.messages.length; heard += 1) hear(String(client.messages[heard]));
      const why = client.closed();
      if (why !== undefined) ended(String(why));
    };
    client.socket.on('data', look).on('close', look);
    return {
      async send(text, sequence) {
        const half = Math.floor(text.length / 2);
        const bytes = Buffer.concat([
          frameOf('text', text.slice(0, half), false),
          frameOf('ping', String(sequence)),
          frameOf('continuation', text.slice(half)),
        ]);
        const cuts = [0, 1, 5, Math.floor(bytes.length / 2), bytes.length];
        for (const [index, start] of cuts.slice(0, -1).entries()) {
          client.write(bytes.subarray(start, cuts[index + 1]));
          await delay(1);
        }
      },
      close: () => client.socket.destroy(),
    };
  };
