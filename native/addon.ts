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

/** From the sources, from dist/native/ and from the bundled program alike, the package's own name leads to its root. */
function load(): Binding {
  const require = requireFrom(import.meta.url);
  try {
    const root = dirname(require.resolve('baton-sidecar/package.json'));
    const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'baton.node');
    return require(existsSync(prebuilt) ? prebuilt : join(root, 'build', 'Release', 'baton.node')) as Binding;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const remedy =
      process.platform === 'linux'
        ? 'build it with `npm run build:native`, which needs python3, make and g++'
        : `it exists for Linux only, and this is ${process.platform}`;
    const message = `The native addon of baton-sidecar does not load on ${process.platform}-${process.arch}: ${remedy} (${reason})`;
    throw Object.assign(new Error(message, { cause }), { code: 'ERR_BATON_ADDON' });
  }
}
