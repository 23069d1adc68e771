import { Agent, request } from 'node:https';
import type { Access } from '../../test/cluster/control-plane/api.ts';

/** Requests with as little work as possible on this side: the machine is shared with what is measured. */
export interface Driver {
  /** Resolves with the answer's text; throws for any status but success. */
  send: (method: string, path: string, body?: string, contentType?: string) => Promise<string>;
  close: () => void;
}

export function createDriver({ url, ca, token }: Access, connections: number): Driver {
  const agent = new Agent({ ca, keepAlive: true, maxSockets: connections });
  return {
    send: (method, path, body, contentType = 'application/json') =>
      new Promise((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
        };
        const sent = request(`${url}${path}`, { method, agent, headers }, (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
          answer.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const { statusCode = 0 } = answer;
            if (statusCode >= 200 && statusCode < 300) resolve(text);
            else reject(new Error(`${method} ${path}: ${statusCode} ${text}`));
          });
        });
        sent.on('error', reject).end(body);
      }),
    close: () => agent.destroy(),
  };
}

/** Does it for 0 to `count - 1`, so many at a time; resolves with the seconds that it took. */
export async function loop(count: number, parallel: number, act: (index: number) => Promise<unknown>): Promise<number> {
  const began = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: parallel }, work));
  return (performance.now() - began) / 1000;
}
