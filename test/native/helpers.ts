import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, SpawnSyncReturns } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { receive } from '../../native/index.ts';
import type { Received, SystemError } from '../../native/index.ts';

const fixtures = join(import.meta.dirname, 'fixtures');

/** The numbers of this process's open descriptors. */
export function openDescriptors(): number[] {
  // The listing itself needs a descriptor, which is gone by the time its link is read.
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => target(descriptor) !== undefined);
}

/** How many sockets are open here. Other descriptors come and go with Node's and the test runner's own work. */
export function openSockets(): number {
  return openDescriptors().filter((descriptor) => target(descriptor)?.startsWith('socket:')).length;
}

/** What a descriptor refers to, such as `socket:[1234]`: two that are equal are the same open file. */
export function target(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}

/** The flags of a descriptor as the kernel shows them. */
export function flags(descriptor: number): { closeOnExec: boolean; nonBlocking: boolean } {
  const line = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'));
  const value = Number.parseInt(line?.[1] ?? '', 8);
  return { closeOnExec: (value & 0o2000000) !== 0, nonBlocking: (value & 0o4000) !== 0 };
}

/** Asserts a failed system call: code, positive number, call and message. */
export function failsWith(
  t: ExecutionContext,
  code: keyof typeof constants.errno,
  syscall: string,
  run: () => unknown,
) {
  const error = t.throws<SystemError>(run, undefined, `expected ${code}`);
  t.is(error.code, code);
  t.is(error.errno, constants.errno[code]);
  t.is(error.syscall, syscall);
  t.regex(error.message, new RegExp(`^${syscall}[ A-Z0-9_]*: ${code}, [a-z]`));
}

/** A folder that goes when the test ends. */
export function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'bn-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Reads until `undefined`, the end, or an error. */
export function receiveAll(socket: number, size: number, limit?: number): Received[] {
  const reads: Received[] = [];
  for (;;) {
    const read = receive(socket, new Uint8Array(size), limit);
    if (read === undefined) return reads;
    reads.push(read);
    if (read.bytes === 0) return reads;
  }
}

/** Asks again until it is so; fails the test after the deadline. */
export async function until(what: string, so: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!so()) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const nodeArguments = (name: string) => ['--expose-gc', '--import=tsx', join(fixtures, name)];

/** Runs a fixture to its end. */
export function run(name: string, args: string[] = []): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...nodeArguments(name), ...args], { encoding: 'utf8', timeout: 100_000 });
}

/** Starts a fixture; it is killed when the test ends. */
export function start(t: ExecutionContext, name: string, args: string[] = []): ChildProcess {
  const child = spawn(process.execPath, [...nodeArguments(name), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

/** Runs a fixture with a limit on its open descriptors. */
export function runWithLimit(limit: number, name: string): SpawnSyncReturns<string> {
  const script = `ulimit -n ${limit} && exec "$0" "$@"`;
  return spawnSync('/bin/sh', ['-c', script, process.execPath, ...nodeArguments(name)], { encoding: 'utf8' });
}
