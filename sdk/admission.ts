import { connectionsOf, type Core } from './core.ts';
import { BatonError } from './errors.ts';
import { OLDEST_PROTOCOL, PROTOCOL, type Message } from './messages.ts';

/** Descriptors that a process needs beside its sockets and connections. */
const SPARE_DESCRIPTORS = 32;

/**
 * Why this successor cannot be had now, if so: `ERR_BATON_PROTOCOL`, `ERR_BATON_VERSION_IN_USE`, `ERR_BATON_NOT_SERVING`,
 * `ERR_BATON_BUSY`, `ERR_BATON_NO_ROOM`. `current` tells of the successor that is there already.
 */
export function objectionTo(
  hello: Extract<Message, { type: 'hello' }>,
  core: Core,
  current: string | undefined,
): BatonError | undefined {
  const { identity, predecessor } = core;
  if (hello.protocol < OLDEST_PROTOCOL) {
    return new BatonError(
      'ERR_BATON_PROTOCOL',
      `this version speaks protocol ${PROTOCOL}, and none before ${OLDEST_PROTOCOL}`,
    );
  }
  if (hello.version === identity.version) {
    return new BatonError('ERR_BATON_VERSION_IN_USE', `version ${identity.version} is served here already`);
  }
  if (core.leaving) return new BatonError('ERR_BATON_NOT_SERVING', 'this process is ending');
  if (current !== undefined) return new BatonError('ERR_BATON_BUSY', `another takes over already: ${current}`);
  if (predecessor !== undefined) {
    return new BatonError(
      'ERR_BATON_BUSY',
      `version ${predecessor} still runs and could take back: end it before the next upgrade`,
    );
  }
  return noRoom(hello, core);
}

/** A process without descriptors accepts connections only to drop them; so both must have room before they share. */
function noRoom(hello: Extract<Message, { type: 'hello' }>, core: Core): BatonError | undefined {
  const connections = connectionsOf(core);
  const needed = core.servers.size + connections + SPARE_DESCRIPTORS;
  const { open, limit } = core.environment.descriptors();
  const room = Math.min(hello.nofile - hello.openFds, limit - open + connections);
  if (room >= needed) return undefined;
  return new BatonError(
    'ERR_BATON_NO_ROOM',
    `${needed} descriptors would be needed and there is room for ${room}: raise the limit of open files (nofile)`,
    { facts: { needed, room } },
  );
}
