import type { Server } from 'node:net';
import type { ExecutionContext } from 'ava';
import { processEnvironment, type Environment } from '../../sdk/environment.ts';
import { createSidecar, type ServeOptions, type Sidecar, type SidecarOptions } from '../../sdk/index.ts';
import { temporaryDirectory } from '../helpers/processes.ts';

/** Both copies of a sidecar within the test's own process, which sees all their descriptors and errors. */
export interface Copies {
  readonly directory: string;
  /** A sidecar with an older version where one is told; closed when the test ends. */
  create(version: number, older?: number, options?: SidecarOptions): Promise<Sidecar>;
  /** The same, serving one server. */
  serve(server: Server, serveOptions: ServeOptions, version: number, older?: number): Promise<Sidecar>;
}

export function copiesOf(t: ExecutionContext): Copies {
  const directory = temporaryDirectory(t);
  const copies: Copies = {
    directory,
    async create(version, older = 0, options = {}) {
      const environment: Environment = {
        ...processEnvironment(),
        env: {
          SIDECARSET_VERSION: String(version),
          SIDECARSET_VERSION_ALT: String(older),
          BATON_DIR: directory,
        },
        onTerminate: () => () => undefined,
        exit: () => t.fail('a sidecar ended the process'),
      };
      const sidecar = await createSidecar(options, environment);
      t.teardown(() => sidecar.close());
      return sidecar;
    },
    async serve(server, serveOptions, version, older) {
      const sidecar = await copies.create(version, older);
      await sidecar.serve(server, { host: '127.0.0.1', ...serveOptions });
      await sidecar.ready();
      return sidecar;
    },
  };
  return copies;
}
