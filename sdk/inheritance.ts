import { setTimeout as delay } from 'node:timers/promises';
import * as native from '../native/index.ts';
import { converse, type Conversation } from './conversation.ts';
import { connectTo, tryOwn, versionsIn, type Directory } from './directory.ts';
import type { Counts } from './counts.ts';
import type { Debt } from './debt.ts';
import type { Environment, Room } from './environment.ts';
import { BatonError, codeOf } from './errors.ts';
import type { Parcel } from './loan.ts';
import { OLDEST_PROTOCOL, PROTOCOL, type SocketDescription } from './messages.ts';
import type { Negotiated } from './negotiation.ts';
import type { ProgressEvent } from './progress.ts';

/** A wait for a predecessor's next word, in milliseconds; it answers at once unless it hangs. */
export const ANSWER_MS = 10_000;
/** The same for a frame of state, which may be large and come from a busy process; silence is noticed sooner. */
export const STATE_MS = 60_000;
const RETRY_MS = 50;
/** A predecessor that is busy with another successor may only not have noticed its death yet. */
const BUSY_MS = 5_000;

/** What a predecessor gave; the descriptors are this process's. */
export interface Inheritance {
  /** By name. */
  sockets: Map<string, { description: SocketDescription; descriptor: number }>;
  states: Map<string, Buffer>;
  /** Keys of states that this process put itself. */
  own: Set<string>;
  /** What the predecessor had counted; to be merged once nothing can fail any more. */
  parcels: Parcel[];
}

/** How this process comes to serve: as the one that owns the sidecar, or after the one that serves now. */
export type Place =
  | { kind: 'owner'; lock: number }
  | { kind: 'successor'; predecessor: string; conversation: Conversation; connectedAt: number };

/** What {@link findPlace} works with. */
export interface Seeker {
  identity: Negotiated;
  directory: Directory;
  environment: Environment;
  progress: (event: ProgressEvent) => void;
  counts: Counts;
  debts: Set<Debt>;
  signal: AbortSignal | undefined;
  /** Milliseconds to wait, at most, for an owner that neither answers nor dies. */
  timeoutMs: number;
}

/**
 * Finds out whether this process owns the sidecar or succeeds another. It never waits for a socket to appear: either the
 * owner answers, or it is dead and its lock is free. What a predecessor offers is put into `inheritance`, where it stays
 * if the predecessor dies: then the lock becomes free, and the sockets are served on without a gap.
 *
 * @throws BatonError `ERR_BATON_VERSION_IN_USE`, `ERR_BATON_OWNER` (the owner does not answer), or what the predecessor
 *   refused with.
 */
export async function findPlace(seeker: Seeker, inheritance: Inheritance): Promise<Place> {
  const started = performance.now();
  for (;;) {
    seeker.signal?.throwIfAborted();
    // Before it connects: nothing that takes time belongs into the handover.
    const room = seeker.environment.descriptors();
    const peer = dial(seeker);
    if (peer) {
      const patient = performance.now() - started < BUSY_MS;
      const place = await inherit(seeker, { ...peer, room, patient }, inheritance);
      if (place) return place;
    } else {
      const lock = tryOwn(seeker.directory);
      if (lock !== undefined) return { kind: 'owner', lock };
    }
    if (performance.now() - started > seeker.timeoutMs) throw silentOwner(seeker);
    // The wait ends with an error of its own; the signal's reason is thrown above.
    await delay(RETRY_MS, undefined, seeker.signal ? { signal: seeker.signal } : {}).catch(() => undefined);
  }
}

const silentOwner = ({ directory, timeoutMs }: Seeker): BatonError =>
  new BatonError(
    'ERR_BATON_OWNER',
    `a process owns ${directory.path}/owner, and none answered in ${timeoutMs} ms. Look for one that hangs, and end it.`,
    { facts: { directory: directory.path, timeoutMs } },
  );

const connect = (directory: Directory, version: string): number | 'crowded' | undefined => {
  try {
    return connectTo(directory, version);
  } catch (error) {
    if (codeOf(error) === 'ERR_BATON_CROWDED') return 'crowded';
    throw error;
  }
};

const versionInUse = (version: string): BatonError =>
  new BatonError(
    'ERR_BATON_VERSION_IN_USE',
    `version ${version} is served already. To take over from it, give this process a higher SIDECARSET_VERSION, and ` +
      `SIDECARSET_VERSION_ALT=${version}. If it is another sidecar, give each its own name, or BATON_DIR; if it is this ` +
      'process, serve all of its servers with one createSidecar.',
    { facts: { version } },
  );

/**
 * Makes sure that nobody serves this version: the state file would be theirs.
 *
 * @throws BatonError `ERR_BATON_VERSION_IN_USE`, `ERR_BATON_UNREACHABLE`.
 */
export function requireFreeVersion({ identity, directory }: Pick<Seeker, 'identity' | 'directory'>): void {
  const socket = connect(directory, identity.version);
  if (socket === undefined) return;
  if (socket !== 'crowded') native.close(socket);
  throw versionInUse(identity.version);
}

function dial({ identity, directory }: Seeker): { socket: number; version: string } | undefined {
  const named = identity.role === 'successor' && identity.alternative !== undefined ? [identity.alternative] : [];
  // A stale process never takes over: it waits until its successor is dead.
  const others = identity.role === 'stale' ? [] : versionsIn(directory);
  for (const version of new Set([...named, ...others])) {
    const socket = connect(directory, version);
    if (socket === 'crowded') return undefined;
    if (socket === undefined) continue;
    if (version !== identity.version) return { socket, version };
    native.close(socket);
    throw versionInUse(version);
  }
  return undefined;
}

/** Whether it is worth looking again: the peer died, froze, heard nothing of this process, or has too many visitors. */
export const lineBroke = (error: unknown): boolean =>
  ['ERR_BATON_DISCONNECTED', 'ERR_BATON_SILENT', 'ERR_BATON_CROWDED'].includes(codeOf(error) ?? '');

/** Shakes hands and takes what is offered; `undefined` = the predecessor went away or is busy: look again. */
async function inherit(
  seeker: Seeker,
  { socket, version, room, patient }: { socket: number; version: string; room: Room; patient: boolean },
  inheritance: Inheritance,
): Promise<Place | undefined> {
  const { identity, signal } = seeker;
  const connectedAt = performance.now();
  const conversation = converse(socket, identity);
  try {
    checkUser(conversation.channel.peer.uid, seeker);
    conversation.channel.send({
      type: 'hello',
      protocol: PROTOCOL,
      version: identity.version,
      nofile: room.limit,
      openFds: room.open,
    });
    await takeOffer(conversation, inheritance, signal);
    return { kind: 'successor', predecessor: version, conversation, connectedAt };
  } catch (error) {
    conversation.close();
    if (lineBroke(error) || (patient && codeOf(error) === 'ERR_BATON_BUSY')) return undefined;
    throw error;
  }
}

async function takeOffer(
  conversation: Conversation,
  inheritance: Inheritance,
  signal: AbortSignal | undefined,
): Promise<void> {
  const wait = { timeoutMs: ANSWER_MS, signal };
  let states = 0;
  let seen = 0;
  for (let total = 1; seen < total;) {
    const { message, descriptors } = await conversation.next(['offer'], wait);
    if (message.type !== 'offer') continue;
    const wrong =
      message.protocol < OLDEST_PROTOCOL || message.protocol > PROTOCOL
        ? new BatonError(
            'ERR_BATON_PROTOCOL',
            `the other version speaks protocol ${message.protocol}, this one ${PROTOCOL}`,
          )
        : message.sockets.length !== descriptors.length
          ? new BatonError(
              'ERR_BATON_MESSAGE',
              `${message.sockets.length} sockets were offered with ${descriptors.length} descriptors`,
            )
          : message.sockets.every(({ kind }, index) => isOfKind(kind, descriptors[index]))
            ? undefined
            : new BatonError(
                'ERR_BATON_KIND',
                'a socket was offered that is not of its kind, or does not listen: the other version is broken',
              );
    for (const [index, description] of message.sockets.entries()) {
      const descriptor = descriptors[index];
      if (descriptor === undefined) break;
      // A second offer, after a broken line, brings copies of what is here already.
      if (wrong || inheritance.sockets.has(description.name)) native.close(descriptor);
      else inheritance.sockets.set(description.name, { description, descriptor });
    }
    if (wrong) {
      for (const surplus of descriptors.slice(message.sockets.length)) native.close(surplus);
      throw wrong;
    }
    seen += message.sockets.length;
    ({ total, states } = message);
    if (message.sockets.length === 0) break;
  }
  for (; states > 0; states -= 1) {
    const { message } = await conversation.next(['state'], { timeoutMs: STATE_MS, signal });
    if (message.type === 'state') inheritance.states.set(message.key, Buffer.from(message.bytes, 'base64'));
  }
}

const isOfKind = (kind: SocketDescription['kind'], descriptor: number | undefined): boolean => {
  if (descriptor === undefined) return false;
  try {
    const { family, type, listening } = native.facts(descriptor);
    if ((family === 'unix') !== (kind === 'unix')) return false;
    return kind === 'udp' ? type === 'datagram' : type === 'stream' && listening;
  } catch {
    return false;
  }
};

/** Refuses other users in the fallback folder, and reports them elsewhere: the mount is the border there. */
export function checkUser(
  user: number,
  { directory, environment, progress }: Pick<Seeker, 'directory' | 'environment' | 'progress'>,
): void {
  if (user === environment.uid || user === 0) return;
  if (!directory.sameUserOnly) {
    progress({ type: 'otherUser', user });
    return;
  }
  throw new BatonError('ERR_BATON_PEER', `the other process runs as user ${user}, this one as ${environment.uid}`, {
    facts: { peer: user, own: environment.uid },
  });
}
