import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { readStateFile, type StateFile } from '../../sdk/state-file.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What cleans up at its end: a test, or a bench. */
export type Scope = Pick<ExecutionContext, 'teardown'>;

/** A sidecar process under test; it is killed when its test ends. */
export interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** What it printed so far, both streams. */
  output(): string;
  state(): StateFile | undefined;
  kill(signal: NodeJS.Signals): void;
}

/** How to start one; see {@link startSidecar}. */
export interface StartOptions {
  version: string | number;
  alternative?: string | number;
  directory: string;
  port: number;
  /** A file, relative to the repository's root. */
  script?: string;
  /** What runs it; the default is this Node.js. */
  program?: string;
  env?: Record<string, string>;
  /** `sent ready:SIGKILL` makes the process kill itself at that frame; `received connection#3:SIGSTOP` at the third. */
  fault?: string;
}

export function startSidecar(t: Scope, options: StartOptions): Running {
  const { version, alternative = 0, directory, port, script = 'examples/http-echo/sidecar.js', fault, env } = options;
  const { program = process.execPath } = options;
  const preload = join(root, 'test/helpers/fault.js');
  const child = spawn(program, [...(fault ? ['--import', preload] : []), join(root, script)], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      SIDECARSET_VERSION: String(version),
      SIDECARSET_VERSION_ALT: String(alternative),
      BATON_DIR: directory,
      PORT: String(port),
      ...(fault && { BATON_TEST_FAULT: fault }),
      ...env,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  t.teardown(() => child.kill('SIGKILL'));
  return {
    child,
    exited,
    output: () => output,
    state: () => {
      const state = readStateFile(join(directory, `${version}.json`));
      return state?.pid === child.pid ? state : undefined;
    },
    kill: (signal) => child.kill(signal),
  };
}

/** A folder of the test's own, with a path short enough for sockets; removed when the test ends. */
export function temporaryDirectory(t: Scope): string {
  const path = fs.mkdtempSync(join(tmpdir(), 'baton-'));
  t.teardown(() => fs.rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A TCP port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Looks again and again until the condition gives something; fails with `what` after the deadline. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 15_000,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== null && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(10);
  }
}

/** Waits for a phase of the process's state file; an early exit fails with what it printed. */
export const untilPhase = (running: Running, ...phases: StateFile['phase'][]): Promise<StateFile> =>
  until(`phase ${phases.join(' or ')}`, () => {
    const state = running.state();
    if (state && phases.includes(state.phase)) return state;
    if (running.child.exitCode !== null || running.child.signalCode !== null) {
      throw new Error(`the sidecar ended (${running.child.exitCode ?? running.child.signalCode}): ${running.output()}`);
    }
    return undefined;
  });
