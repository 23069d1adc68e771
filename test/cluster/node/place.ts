import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lives, ownerOf, type Owner } from '../control-plane/owner.ts';
import { run } from './run.ts';

/** Where nodes live: a folder, a bridge, addresses and a cgroup that nobody else on this machine has. */
export interface Place {
  /** Of the bridge and the cgroup. */
  readonly name: string;
  readonly folder: string;
  /** The first three numbers of its nodes' and pods' addresses. The bridge is `.1`. */
  readonly network: string;
  /** Likewise of its services'; the bridge is `.1` of these too, so that the API server can be. */
  readonly services: string;
  /** Makes one for a node, below the place's. */
  makeCgroup(node: string): Cgroup;
  /** Another address of the nodes' network, on the bridge. */
  addAddress(last: number): Promise<string>;
  /** Ends every process in it, whatever it is, and removes everything. Safe to call twice. */
  leave(): Promise<void>;
}

export interface Cgroup {
  /** In every hierarchy, from its root. */
  readonly path: string;
  /** What runs a program in it: its command, in front of the program's own. */
  readonly enter: readonly [string, ...string[]];
}

const PREFIX = 'baton-place-';
const OWNER = 'owner.json';
const sweeper = fileURLToPath(new URL('sweep.sh', import.meta.url));

/** Networks to choose from: 198.18.0.0/15 is for tests of networks, and nobody's. */
const NETWORKS = 256;

/**
 * A place of this process's own; it goes with {@link Place.leave}, and when this process is gone, however it went. What
 * others left behind that could not even do that goes now. Needs root.
 */
export async function makePlace(): Promise<Place> {
  await sweepLeftovers();
  const owner = ownerOf(process.pid);
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  const name = nameOf(folder);
  writeFileSync(join(folder, OWNER), JSON.stringify(owner));
  const guardian = startSweeper(folder);
  let claim: Server | undefined;
  let left: Promise<void> | undefined;
  const leave = (): Promise<void> =>
    (left ??= (async () => {
      await sweep(guardian);
      claim?.close();
    })());
  try {
    const claimed = await claimNetwork();
    claim = claimed.claim;
    const [network, services] = [`198.18.${claimed.number}`, `198.19.${claimed.number}`];
    // An address of its own: else it takes another one whenever a pod comes, and those that know the old one lose their way.
    const address = `02:00:c6:12:${claimed.number.toString(16).padStart(2, '0')}:01`;
    await run('ip', 'link', 'add', name, 'address', address, 'type', 'bridge');
    await run('ip', 'address', 'add', `${network}.1/24`, 'dev', name);
    await run('ip', 'address', 'add', `${services}.1/32`, 'dev', name);
    await run('ip', 'link', 'set', name, 'up');
    return {
      name,
      folder,
      network,
      services,
      makeCgroup: (node) => makeCgroup(name, node),
      async addAddress(last) {
        await run('ip', 'address', 'add', `${network}.${last}/32`, 'dev', name);
        return `${network}.${last}`;
      },
      leave,
    };
  } catch (error) {
    await leave();
    throw error;
  }
}

/** As short as the name of a link has to be. */
const nameOf = (folder: string): string => `baton-${folder.slice(folder.lastIndexOf(PREFIX) + PREFIX.length)}`;

const startSweeper = (folder: string): ChildProcess => {
  // In a session of its own: no signal of a terminal reaches it. It waits for the end of the pipe, which this process alone has.
  const child = spawn('/bin/sh', [sweeper, folder, nameOf(folder)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
    cwd: '/',
  });
  child.unref();
  return child;
};

async function sweep(child: ChildProcess): Promise<void> {
  let said = '';
  child.stderr?.on('data', (chunk) => (said += String(chunk)));
  const closed = once(child, 'close') as Promise<[number | null]>;
  child.ref();
  child.stdin?.end();
  const [code] = await closed;
  if (code !== 0) throw new Error(`${sweeper}: ${said || code}`);
}

/** Ends the places whose process is gone, and the one that looked after them too. */
async function sweepLeftovers(): Promise<void> {
  for (const entry of readdirSync(tmpdir()).filter((name) => name.startsWith(PREFIX))) {
    const folder = join(tmpdir(), entry);
    let owner: Owner | undefined;
    try {
      owner = JSON.parse(readFileSync(join(folder, OWNER), 'utf8')) as Owner;
    } catch {
      // Just being made, or removed.
      continue;
    }
    if (!lives(owner)) await sweep(startSweeper(folder));
  }
}

/** The claim is a socket without a file: it ends with this process. */
async function claimNetwork(): Promise<{ number: number; claim: Server }> {
  const first = randomBytes(1).readUInt8();
  const used = await run('ip', '-4', '-oneline', 'address');
  for (let turn = 0; turn < NETWORKS; turn += 1) {
    const number = (first + turn) % NETWORKS;
    if (used.includes(`inet 198.18.${number}.`)) continue;
    const claim = await new Promise<Server | undefined>((resolve) => {
      const server = createServer()
        .once('error', () => resolve(undefined))
        .listen(`\0baton-network-${number}`, () => resolve(server));
    });
    if (claim) return { number, claim: claim.unref() };
  }
  throw new Error('no network of 198.18.0.0/15 is free on this machine');
}

const CGROUPS = '/sys/fs/cgroup';

function makeCgroup(name: string, node: string): Cgroup {
  const isUnified = existsSync(join(CGROUPS, 'cgroup.controllers'));
  const hierarchies = isUnified
    ? ['.']
    : readdirSync(CGROUPS).filter((one) => existsSync(join(CGROUPS, one, 'cgroup.procs')));
  const path = `/${name}/${node}`;
  for (const hierarchy of hierarchies) mkdirSync(join(CGROUPS, hierarchy, path, 'system'), { recursive: true });
  if (isUnified) for (const parent of ['', name, path]) enableControllers(join(CGROUPS, parent));
  raiseShare(join(CGROUPS, isUnified ? '.' : 'cpu', name));
  const file = join(CGROUPS, isUnified ? '.' : 'pids', path, 'system/cgroup.procs');
  return { path, enter: ['/bin/sh', '-c', 'echo $$ >"$0" && exec "$@"', file] };
}

/** Else all that runs on a node gets as much of a busy machine as one of its other processes, and everything times out. */
function raiseShare(cgroup: string): void {
  for (const [file, share] of [
    ['cpu.shares', 16_384],
    ['cpu.weight', 1_600],
  ] as const) {
    if (existsSync(join(cgroup, file))) writeFileSync(join(cgroup, file), String(share));
  }
}

function enableControllers(cgroup: string): void {
  const controllers = readFileSync(join(cgroup, 'cgroup.controllers'), 'utf8').trim().split(/\s+/);
  const text = controllers.map((one) => `+${one}`).join(' ');
  writeFileSync(join(cgroup, 'cgroup.subtree_control'), text);
}
