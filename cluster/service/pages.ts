import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { debugPages } from './debug.ts';

/** What a path answers: with 200 unless it says otherwise. */
export type Page = (query: URLSearchParams) => Promise<PageAnswer> | PageAnswer;

export interface PageAnswer {
  status?: number;
  text: string;
  type?: string;
}

export interface PageServer {
  close: () => Promise<void>;
}

/**
 * Serves a few pages to probes and scrapers over plain HTTP; 404 for any other path.
 *
 * @param options.onError - told of a page that throws, which is answered with 500
 * @throws the system's error when the port cannot be listened on
 */
export async function servePages(
  pages: Readonly<Record<string, Page>>,
  { port, onError }: { port: number; onError: (error: unknown) => void },
): Promise<PageServer> {
  const server: Server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    const answer = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(405, 'only GET\n');
      return;
    }
    if (!page) {
      answer(404, `there is ${Object.keys(pages).join(', ')}\n`);
      return;
    }
    void (async () => page(new URLSearchParams(query)))().then(
      ({ status = 200, text, type }) => answer(status, text, type),
      (error: unknown) => {
        onError(error);
        answer(500, 'see the log\n');
      },
    );
  });
  server.listen(port);
  await once(server, 'listening');
  return {
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

export interface ServicePagesOptions {
  ports: { metrics: number; health: number };
  /** Where /metrics comes from. */
  registry: Registry;
  /** What the service still waits for; undefined when it is ready. */
  waitsFor: () => string | undefined;
  /** What /debug/state says; without it there is nothing under /debug. */
  debug?: () => object;
  log: Logger;
}

/** Serves what every service of Baton has: /healthz and /readyz on one port, with /debug on request; /metrics on another. */
export async function serveServicePages(options: ServicePagesOptions): Promise<PageServer> {
  const { ports, registry, waitsFor, debug, log } = options;
  const onError = (message: string) => (error: unknown) => log.error({ err: error }, message);
  const health = await servePages(
    {
      '/healthz': () => ({ text: 'ok\n' }),
      '/readyz'() {
        const missing = waitsFor();
        return missing === undefined ? { text: 'ok\n' } : { status: 503, text: `waits for ${missing}\n` };
      },
      ...(debug && debugPages(debug)),
    },
    { port: ports.health, onError: onError('health page') },
  );
  const metrics = await servePages(
    { '/metrics': async () => ({ text: await registry.metrics(), type: registry.contentType }) },
    { port: ports.metrics, onError: onError('metrics page') },
  );
  return {
    async close() {
      await Promise.all([health.close(), metrics.close()]);
    },
  };
}
