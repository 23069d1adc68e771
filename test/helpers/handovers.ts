import * as fs from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ExecutionContext } from 'ava';
import { createSidecar } from '../../sdk/create.ts';
import { processEnvironment, type Environment } from '../../sdk/environment.ts';
import type { Sidecar } from '../../sdk/sidecar.ts';
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

  const start = async (
    version: number,
    port: number,
  ): Promise<{ sidecar: Sidecar; server: Server; port: number; gone: () => boolean }> => {
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
    return { sidecar, server, port: (server.address() as AddressInfo).port, gone: () => gone };
  };

  let current = await start(1, 0);
  const client = connect(current.port, '127.0.0.1').setEncoding('latin1');
  t.teardown(() => client.destroy());
  client.on('close', () => t.fail('the client was closed'));
  const ask = (): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      const hear = (chunk: string): void => {
        text += chunk;
        const body = /\r\n\r\n(version \d+)$/.exec(text)?.[1];
        if (body === undefined) return;
        client.off('data', hear);
        resolve(body);
      };
      client.on('data', hear);
      client.write('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
    });
  for (let version = 2; version <= count + 1; version++) {
    // No assertion of the test runner: it would keep each.
    const answer = await ask();
    if (answer !== `version ${version - 1}`) t.fail(answer);
    const next = await start(version, current.port);
    const path = `${directory}/${version - 1}.json`;
    await until('drained', () => fs.readFileSync(path, 'utf8').includes('"phase":"drained"'));
    await current.sidecar.close();
    // Node's timer of header time-outs holds a server that was closed as the SDK does it, without ending idle connections.
    current.server.close();
    await until('the old one is gone', next.gone);
    current = next;
    if (looks.includes(version - 1)) {
      collect();
      prints.push({
        descriptors: await lastingDescriptors(),
        heap: process.memoryUsage().heapUsed,
        files: fs
          .readdirSync(directory)
          .map((file) => file.replace(String(version), 'VERSION'))
          .sort(),
      });
    }
  }
  client.removeAllListeners('close');
  await current.sidecar.close();
  return prints;
}

/** How many stay open: not those that are just being closed, nor a file that Node reads in this moment. */
async function lastingDescriptors(): Promise<number> {
  let lasting = new Set(fs.readdirSync('/proc/self/fd'));
  for (let look = 0; look < 10; look += 1) {
    await delay(20);
    lasting = new Set(fs.readdirSync('/proc/self/fd').filter((descriptor) => lasting.has(descriptor)));
  }
  return lasting.size;
}
