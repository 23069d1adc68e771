import * as fs from 'node:fs';
import { join } from 'node:path';
import * as native from '../native/index.ts';
import { BatonError, codeOf, isBatonError } from './errors.ts';

/** The longest path of a Unix socket: `sun_path` less its closing NUL (unix(7)). */
export const MAX_SOCKET_PATH = 107;

/** The folder that the two copies of one sidecar share. */
export interface Directory {
  readonly path: string;
  /** It is the fallback in shared memory: only peers of the same user, or root, are to be trusted. */
  readonly sameUserOnly: boolean;
  socketOf(version: string): string;
  stateOf(version: string): string;
  readonly agentSocket: string;
}

/**
 * Opens `BATON_DIR`, or where it is unset `/dev/shm/baton-<uid>/<name>`, which is made with mode 0700: the containers of
 * a pod share `/dev/shm`.
 *
 * @throws BatonError `ERR_BATON_PATH_TOO_LONG` when a socket's path in it would not fit, `ERR_BATON_DIRECTORY` when it is
 *   missing, no folder, not to be written, or (the fallback) open to others; `ERR_BATON_ARGUMENT` for a name that is no
 *   folder's.
 */
export function openDirectory(
  env: Readonly<Record<string, string | undefined>>,
  { name, version, uid, pid }: { name: string; version: string; uid: number; pid: number },
): Directory {
  const given = env['BATON_DIR'];
  if (!given && (!/^[\w.-]+$/.test(name) || /^\.+$/.test(name))) {
    throw new BatonError(
      'ERR_BATON_ARGUMENT',
      `the name of the sidecar is ${JSON.stringify(name)}; it names a folder: letters, digits, and . _ - in it`,
      { facts: { name } },
    );
  }
  const base = `/dev/shm/baton-${uid}`;
  const path = given ? given.replace(/(?<=.)\/+$/, '') : join(base, name);
  const longest = Buffer.byteLength(join(path, temporary(version, pid)));
  if (longest > MAX_SOCKET_PATH) {
    throw new BatonError(
      'ERR_BATON_PATH_TOO_LONG',
      `${given ? 'BATON_DIR' : 'the name of the sidecar'} is too long: sockets in ${path} would have paths of ${longest} ` +
        `bytes, and the system takes ${MAX_SOCKET_PATH}. Use a shorter folder.`,
      { facts: { path, bytes: longest, limit: MAX_SOCKET_PATH } },
    );
  }
  if (given) requireFolder(path);
  else for (const folder of [base, path]) makePrivate(folder, uid);
  return {
    path,
    sameUserOnly: !given,
    socketOf: (other) => join(path, `${other}.sock`),
    stateOf: (other) => join(path, `${other}.json`),
    agentSocket: join(path, 'agent.sock'),
  };
}

const temporary = (version: string, pid: number): string => `.${version}.${pid}.sock`;

function requireFolder(path: string): void {
  const wrong = objectionTo(path);
  if (wrong === undefined) return;
  throw new BatonError(
    'ERR_BATON_DIRECTORY',
    `BATON_DIR names ${path}, which is ${wrong}. ` +
      'Mount the folder that the two copies of the sidecar share, or unset BATON_DIR.',
    { facts: { path } },
  );
}

function objectionTo(path: string): string | undefined {
  try {
    if (!fs.statSync(path).isDirectory()) return 'no folder';
    // Else it would be found out after the commit point, when the socket for the next version is bound.
    fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    return undefined;
  } catch (error) {
    const code = codeOf(error) ?? 'unknown error';
    return code === 'ENOENT' ? 'missing' : `not to be read and written by this user (${code})`;
  }
}

function makePrivate(path: string, uid: number): void {
  try {
    fs.mkdirSync(path, { mode: 0o700, recursive: true });
  } catch (cause) {
    throw new BatonError(
      'ERR_BATON_DIRECTORY',
      `${path} cannot be made; set BATON_DIR to a folder that can be written`,
      {
        facts: { path },
        cause,
      },
    );
  }
  const found = fs.lstatSync(path);
  if (found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0) return;
  throw new BatonError(
    'ERR_BATON_DIRECTORY',
    `${path} is not this user's alone (mode 0700), so whoever else can write there could take the traffic over. ` +
      'Remove it, or set BATON_DIR.',
    { facts: { path, owner: found.uid, mode: (found.mode & 0o777).toString(8) } },
  );
}

/**
 * Listens for successors at `<version>.sock`: bound under another name and renamed, so that the path never leads
 * nowhere. The caller closes the descriptor.
 */
export function listenForSuccessors(directory: Directory, version: string, pid: number): number {
  const path = join(directory.path, temporary(version, pid));
  fs.rmSync(path, { force: true });
  const socket = native.listenUnix(path, 16);
  // Connecting needs the right to write; in BATON_DIR the next version may run as another user.
  fs.chmodSync(path, directory.sameUserOnly ? 0o600 : 0o666);
  fs.renameSync(path, directory.socketOf(version));
  return socket;
}

/**
 * Connects to a version's socket. `undefined` = that version is gone (nobody listens). The caller closes the descriptor.
 *
 * @throws BatonError `ERR_BATON_UNREACHABLE` when the socket is there and cannot be used (EACCES and the like),
 *   `ERR_BATON_CROWDED` when somebody listens whose queue is full.
 */
export function connectTo(directory: Directory, version: string): number | undefined {
  const path = directory.socketOf(version);
  try {
    return native.connectUnix(path);
  } catch (cause) {
    if (['ENOENT', 'ECONNREFUSED'].includes(codeOf(cause) ?? '')) return undefined;
    if (codeOf(cause) === 'EAGAIN') {
      throw new BatonError(
        'ERR_BATON_CROWDED',
        `too many processes wait for version ${version} at ${path}: try again`,
        {
          facts: { path, version },
          cause,
        },
      );
    }
    throw new BatonError(
      'ERR_BATON_UNREACHABLE',
      `${path} cannot be connected to (${codeOf(cause) ?? 'unknown error'}). ` +
        'Both copies need the right to write there: run them as the same user, or mount BATON_DIR.',
      { facts: { path, version }, cause },
    );
  }
}

/** The versions with a socket in the folder, newest first. */
export const versionsIn = (directory: Directory): string[] =>
  fs
    .readdirSync(directory.path)
    .flatMap((file) => /^([1-9]\d*)\.sock$/.exec(file)?.[1] ?? [])
    .sort((a, b) => (BigInt(a) < BigInt(b) ? 1 : -1));

/** Tries for the exclusive right to bind; the descriptor holds it, `undefined` = another process has it. */
export function tryOwn(directory: Directory): number | undefined {
  const descriptor = openOwner(join(directory.path, 'owner'));
  try {
    if (native.lock(descriptor)) return descriptor;
  } catch (error) {
    native.close(descriptor);
    throw error;
  }
  native.close(descriptor);
  return undefined;
}

function openOwner(path: string): number {
  // Never O_CREAT on a file that exists: in a sticky folder the kernel refuses that to other users than the file's
  // (fs.protected_regular, proc(5)).
  for (;;) {
    for (const flags of [fs.constants.O_RDONLY, fs.constants.O_RDONLY | fs.constants.O_CREAT | fs.constants.O_EXCL]) {
      try {
        return fs.openSync(path, flags | fs.constants.O_NOFOLLOW, 0o644);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error;
      }
    }
  }
}

const answers = (directory: Directory, version: string): boolean => {
  try {
    const socket = connectTo(directory, version);
    if (socket !== undefined) native.close(socket);
    return socket !== undefined;
  } catch (error) {
    // Somebody listens there, or somebody else's file is in the way: no leftover to remove.
    if (isBatonError(error)) return true;
    throw error;
  }
};

/** Removes what an older version left behind, if it is gone; files of another user that may not be removed stay. */
export function removeLeftovers(directory: Directory, version: string): void {
  for (const other of versionsIn(directory)) {
    if (BigInt(other) >= BigInt(version)) continue;
    if (answers(directory, other)) continue;
    for (const path of [directory.socketOf(other), directory.stateOf(other)]) {
      try {
        fs.rmSync(path, { force: true });
      } catch (error) {
        if (!['EPERM', 'EACCES'].includes(codeOf(error) ?? '')) throw error;
      }
    }
  }
}
