import * as fs from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ExecutionContext } from 'ava';
import { createSidecar } from '../../sdk/create.ts';
import { processEnvironment, type Environment } from '../../sdk/environment.ts';
import type { Sidecar } from '../../sdk/sidecar.ts';
import { connectClient, get } from './client.ts';
import { temporaryDirectory, until } from './processes.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What must not grow. */
export interface Footprint {
  descriptors: number;
  heap: number;
  files: string[];
}

/**
 * So many handovers from version to version in this process, with one keep-alive client that asks each version a question
 * and whose connection moves every time. Returns the footprint after each of the handovers in `looks`.
 */
export async function handOver(t: ExecutionContext, count: number, looks: readonly number[]): Promise<Footprint[]> {
  const directory = temporaryDirectory(t);
  const prints: Footprint[] = [];

  const start = async (version: number, port: number): Promise<{ sidecar: Sidecar; port: number; gone: () => boolean }> => {
    const environment: Environment = {
      ...processEnvironment(),
      env: {
        BATON_DIR: directory,
        SIDECARSET_VERSION: String(version),
        SIDECARSET_VERSION_ALT: String(version - 1),
      },
      onTerminate: () => () => undefined,
      exit: () => t.fail('it exits'),
      warn: (message) => t.fail(message),
    };
    let gone = false;
    const server = createServer((_, response) => response.end(`version ${version}`));
    const sidecar = await createSidecar(
      {
        onProgress(event) {
          if (event.type === 'predecessorGone') gone = true;
          if (event.type === 'refused') t.fail(`refused: ${event.code} ${event.message}`);
        },
      },
      environment,
    );
    sidecar.state.put('settings', Buffer.alloc(1000, version % 256));
    await sidecar.serve(server, { name: 'http', host: '127.0.0.1', port });
    await sidecar.ready();
    return { sidecar, port: (server.address() as AddressInfo).port, gone: () => gone };
  };

  let current = await start(1, 0);
  const client = await connectClient(current.port);
  t.teardown(() => client.socket.destroy());
  // The helper waits for the next byte or the end each time anew.
  client.socket.setMaxListeners(0);
  for (let version = 2; version <= count + 1; version++) {
    client.send(get());
    t.is((await client.response()).body, `version ${version - 1}`);
    const next = await start(version, current.port);
    const path = `${directory}/${version - 1}.json`;
    await until('drained', () => fs.readFileSync(path, 'utf8').includes('"phase":"drained"'));
    await current.sidecar.close();
    await until('the old one is gone', next.gone);
    current = next;
    if (looks.includes(version - 1)) {
      for (const event of ['close', 'data', 'error'] as const) {
        if (client.socket.listenerCount(event) > 5 * count) t.fail('listeners');
      }
      collect();
      prints.push({
        descriptors: fs.readdirSync('/proc/self/fd').length,
        heap: process.memoryUsage().heapUsed,
        files: fs.readdirSync(directory).map((file) => file.replace(String(version), 'VERSION')).sort(),
      });
    }
  }
  t.is(client.closed(), undefined);
  await current.sidecar.close();
  return prints;
}
