import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeImage, type Image } from '../../../deploy/image/image.ts';
import { startGuardian } from '../../../local/guardian.ts';
import { temporaryDirectory, until, type Scope } from '../../helpers/processes.ts';
import { freePorts } from '../control-plane/ports.ts';
import { run } from './run.ts';

/** What becomes of requests: refused with 401, never answered, or answered after so many milliseconds. */
export type Trouble = 'unauthorized' | 'hanging' | { delay: number };

/** A real registry (Debian's), which can be made to fail; it and its images go with the test. */
export interface Registry {
  /** In front of an image's name: `127.0.0.1:PORT`. The kubelet pulls from there over plain HTTP. */
  readonly address: string;
  /** What was asked of it: `GET /v2/side/manifests/v1`. */
  readonly requests: readonly string[];
  /** Makes an image and pushes it; its name is without the address, as `side:v1`. Returns the whole name. */
  push(image: Image): Promise<string>;
  /** From now on, also for the requests that hang; without an argument all is well again. Pushes are never troubled. */
  trouble(what?: Trouble): void;
}

export async function startRegistry(t: Scope): Promise<Registry> {
  const folder = temporaryDirectory(t);
  const [port = 0] = await freePorts(1);
  const settings = {
    version: 0.1,
    log: { accesslog: { disabled: true }, level: 'warn' },
    storage: { filesystem: { rootdirectory: join(folder, 'images') } },
    http: { addr: `127.0.0.1:${port}` },
  };
  // JSON is YAML too.
  writeFileSync(join(folder, 'registry.yaml'), JSON.stringify(settings));
  const guardian = startGuardian(folder);
  const log = openSync(join(folder, 'registry.log'), 'a');
  const child = spawn('docker-registry', ['serve', join(folder, 'registry.yaml')], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  if (child.pid !== undefined) guardian.add(child.pid);
  const exited = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
    if (child.pid !== undefined) guardian.remove(child.pid);
    await guardian.dismiss();
  });
  await until('the registry answers', () =>
    fetch(`http://127.0.0.1:${port}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const front = await startFront(t, port);
  return {
    ...front,
    async push(image) {
      const archive = join(folder, 'image.tar');
      writeImage(archive, image);
      const target = `docker://127.0.0.1:${port}/${image.name}`;
      await run('skopeo', '--insecure-policy', 'copy', '--dest-tls-verify=false', `oci-archive:${archive}`, target);
      return `${front.address}/${image.name}`;
    },
  };
}

async function startFront(t: Scope, port: number): Promise<Omit<Registry, 'push'>> {
  const requests: string[] = [];
  const hanging = new Set<() => void>();
  let trouble: Trouble | undefined;
  const answer = (question: IncomingMessage, response: ServerResponse): void => {
    if (trouble === 'hanging') return void hanging.add(() => answer(question, response));
    if (trouble === 'unauthorized') {
      response.writeHead(401, { 'content-type': 'application/json' });
      return void response.end(
        JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }),
      );
    }
    const { method, url, headers } = question;
    const forward = request({ host: '127.0.0.1', port, method, path: url, headers }, (found) => {
      response.writeHead(found.statusCode ?? 502, found.headers);
      found.pipe(response);
    });
    forward.on('error', () => response.destroy());
    response.on('close', () => forward.destroy());
    question.pipe(forward);
  };
  const server = createServer((question, response) => {
    requests.push(`${question.method ?? ''} ${question.url ?? ''}`);
    if (typeof trouble === 'object') setTimeout(() => answer(question, response), trouble.delay);
    else answer(question, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    trouble(what) {
      trouble = what;
      const waiting = [...hanging];
      hanging.clear();
      for (const goOn of waiting) goOn();
    },
  };
}
