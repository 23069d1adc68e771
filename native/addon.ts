import { existsSync } from 'node:fs';
import { createRequire as requireFrom } from 'node:module';
import { dirname, join } from 'node:path';
import type { SocketFacts } from './index.ts';

/** The addon's own functions: native/*.cc say what they take. Numbers below zero mean "try again". */
export interface Binding {
  send(socket: number, bytes: Uint8Array, descriptors: Int32Array, count: number): number;
  receive(socket: number, into: Uint8Array, limit: number, out: Int32Array): number;
  credentials(socket: number): { pid: number; uid: number; gid: number };
  duplicate(descriptor: number): number;
  close(descriptor: number): void;
  shutdown(socket: number, write: boolean): void;
  lock(descriptor: number): boolean;
  facts(socket: number): SocketFacts;
  listenTcp(host: string, port: number, flags: number, backlog: number): number;
  bindUdp(host: string, port: number, flags: number): number;
  accept(socket: number): number | undefined;
  listenUnix(path: string, backlog: number): number;
  bindUnix(path: string): number;
  connectUnix(path: string): number;
  socketPair(): [number, number];
  notify(path: string, bytes: Uint8Array): boolean;
  watch(
    descriptor: number,
    events: number,
    callback: (readable: boolean, writable: boolean) => void,
  ): { update(events: number): void; close(): void };
}

let loaded: Binding | undefined;

/** The addon, loaded at the first call; throws `ERR_BATON_ADDON`, with what to do, where it does not load. */
export function binding(): Binding {
  return (loaded ??= load());
}

/** What is to run it: `linux-x64-glibc`. Another C library's addon may load and then crash, so the name has it. */
export function hostTarget(): string {
  const host = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${host}-${libraryOf(process.report)}` : host;
}

function libraryOf(report: { excludeNetwork?: boolean; getReport(): object }): 'glibc' | 'musl' {
  // It would look the names of all peers up, and wait for each.
  const { excludeNetwork = false } = report;
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } };
  report.excludeNetwork = excludeNetwork;
  return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** From the sources, from dist/native/ and from the bundled program alike, the package's own name leads to its root. */
function load(): Binding {
  const require = requireFrom(import.meta.url);
  let target = `${process.platform}-${process.arch}`;
  try {
    const root = dirname(require.resolve('baton-sidecar/package.json'));
    // A checkout has none, and need not ask.
    if (existsSync(join(root, 'prebuilds'))) target = hostTarget();
    const prebuilt = join(root, 'prebuilds', target, 'baton.node');
    return require(existsSync(prebuilt) ? prebuilt : join(root, 'build', 'Release', 'baton.node')) as Binding;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const build = 'npm install node-addon-api && npx node-gyp rebuild --directory node_modules/baton-sidecar';
    const remedy =
      process.platform === 'linux'
        ? `build it with \`${build}\`, or in a checkout with \`npm run build:native\`, which needs python3, make and g++`
        : `it exists for Linux only, and this is ${process.platform}`;
    const message = `The native addon of baton-sidecar does not load on ${target}: ${remedy} (${reason})`;
    throw Object.assign(new Error(message, { cause }), { code: 'ERR_BATON_ADDON' });
  }
}
