import type { IncomingMessage } from 'node:http';
import { requestError } from './error.ts';

/**
 * The longest admission review, in bytes: the API server takes requests of 3 MiB, an update's review carries the object
 * twice, and 1 MiB is left for what is around them.
 */
export const MAX_ADMISSION = 7 * 1024 * 1024;
/** The longest conversion review, in bytes: a list is converted as a whole. */
export const MAX_CONVERSION = 32 * 1024 * 1024;

/** What all bodies that are being received may hold together, in bytes: anybody in the cluster can send some. */
export const MAX_BODIES = 64 * 1024 * 1024;

/** Receives bodies, each and all together bounded. */
export function createBodyReader(): (request: IncomingMessage, limit: number) => Promise<string> {
  let held = 0;
  return (request, limit) =>
    new Promise((resolve, reject) => {
      const announced = Number(request.headers['content-length'] ?? 0);
      if (announced > limit) {
        reject(tooLarge(limit));
        return;
      }
      const chunks: Buffer[] = [];
      let length = 0;
      // Whoever sends too much is still to read why: the connection stays.
      const over = (): void => {
        held -= length;
        request.off('data', take).off('end', end).off('error', fail).off('close', gone).pause();
      };
      const fail = (error: Error): void => {
        over();
        reject(error);
      };
      const gone = (): void => fail(Object.assign(new Error('the client went away'), { code: 'ECONNRESET' }));
      const take = (chunk: Buffer): void => {
        length += chunk.length;
        held += chunk.length;
        if (length > limit) fail(tooLarge(limit));
        else if (held > MAX_BODIES) fail(requestError(503, 'too many reviews at once; ask again'));
        else chunks.push(chunk);
      };
      const end = (): void => {
        over();
        try {
          resolve(utf8.decode(Buffer.concat(chunks, length)));
        } catch {
          reject(requestError(400, 'the body is not UTF-8'));
        }
      };
      request.on('data', take).on('end', end).on('error', fail).on('close', gone);
    });
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

const tooLarge = (limit: number): Error => requestError(413, `the body is longer than ${limit} bytes`, { limit });
