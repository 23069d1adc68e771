import * as native from '../native/index.ts';
import { converse, type Conversation } from './conversation.ts';
import { countMoved, startServers, type Core } from './core.ts';
import { connectTo, removeLeftovers } from './directory.ts';
import { receiveCounts, type Debt } from './debt.ts';
import { drain, type Drain } from './drain.ts';
import { codeOf, messageOf } from './errors.ts';
import type { Frame } from './frames.ts';
import { ANSWER_MS } from './inheritance.ts';
import { openLoan, type Loan } from './loan.ts';
import { PROTOCOL } from './messages.ts';
import { receiveConnection } from './receiving.ts';

/** A broken line is mended at this pace, in milliseconds. */
const MEND_MS = 500;

/** This process as the one that has taken over, while its predecessor lives. */
export interface Succession {
  /**
   * Gives everything back because this process is to end: the predecessor accepts again, then connections move to it as
   * they become idle. Resolves `true` when none is left here, `false` when there is no predecessor to give back to.
   */
  giveBack(timeoutMs: number): Promise<boolean>;
  /** Forgets the predecessor; it will take back. */
  close(): void;
}

/**
 * Keeps the line to the predecessor after the commit point: takes the connections that move, and mends the line when it
 * breaks, because the predecessor then accepts too. `names` are the sockets that were taken over, `debt` what was borrowed.
 */
export function keepPredecessor(
  core: Core,
  first: Conversation,
  { version, names, debt, onGone }: { version: string; names: string[]; debt: Debt | undefined; onGone: () => void },
): Succession {
  const { identity, progress, environment } = core;
  let channel = first.channel;
  let connected = true;
  // A function, because it changes while a promise is awaited.
  const isConnected = (): boolean => connected;
  let over = false;
  let drained = false;
  let returning: { drain: Drain | undefined; resumed: () => void } | undefined;
  const loans = new Set<Loan>();
  let loan: Loan | undefined;
  let timer: NodeJS.Timeout | undefined;

  const gone = (): void => {
    over = true;
    core.predecessor = undefined;
    onGone();
    progress({ type: 'predecessorGone', version, drained });
    try {
      removeLeftovers(core.directory, identity.version);
    } catch (error) {
      environment.warn(`what version ${version} left cannot be removed: ${messageOf(error)}`, 'ERR_BATON_DIRECTORY');
    }
  };

  const hear = (frame: Frame): void => {
    const { message, descriptors } = frame;
    if (message.type === 'connection') {
      drained = false;
      receiveConnection(core, channel, frame);
      return;
    }
    const token = message.type === 'resumed' && message.counts && returning && !loan ? descriptors[0] : undefined;
    for (const descriptor of descriptors) if (descriptor !== token) native.close(descriptor);
    switch (message.type) {
      case 'ack':
      case 'nack':
        returning?.drain?.answer(message);
        break;
      case 'drained':
        drained = true;
        progress({ type: 'drained', moved: message.moved, finished: message.finished, cut: message.cut });
        break;
      case 'resumed':
        if (token !== undefined) {
          loan = openLoan(loans, token, { version, keys: message.counts ?? [], counts: core.counts });
        }
        returning?.resumed();
        break;
      case 'final':
        // What the predecessor counted while it drained, or before the line was mended.
        if (!receiveCounts(core.counts, message, debt)) part('ERR_BATON_MESSAGE', `${message.key} was not asked for`);
        break;
      case 'stopped':
        break;
      case 'refuse':
        part(message.code, message.message);
        break;
      default:
        part('ERR_BATON_MESSAGE', `${message.type} is not expected from a predecessor that has handed over`);
    }
  };

  const part = (code: string, message: string): void => {
    channel.send({ type: 'refuse', code, message });
    progress({ type: 'refused', code, message });
    channel.close();
    ended();
  };

  const ended = (): void => {
    connected = false;
    loan?.watch();
    returning?.drain?.stop(true);
    returning?.resumed();
    if (!over) timer = setTimeout(() => void mend(), 0);
  };

  /** Connects again, and says that this process serves; the predecessor then stops accepting once more. */
  const mend = async (): Promise<void> => {
    let conversation: Conversation | undefined;
    try {
      const socket = connectTo(core.directory, version);
      if (socket === undefined) {
        gone();
        return;
      }
      conversation = converse(socket, identity);
      const { open, limit } = environment.descriptors();
      conversation.channel.send({
        type: 'hello',
        protocol: PROTOCOL,
        version: identity.version,
        nofile: limit,
        openFds: open,
        serving: names,
      });
      const { descriptors } = await conversation.next(['stopped'], { timeoutMs: ANSWER_MS });
      for (const descriptor of descriptors) native.close(descriptor);
      if (over) {
        conversation.close();
        return;
      }
      channel = conversation.channel;
      connected = true;
      conversation.handle({ frame: hear, ended });
    } catch (error) {
      conversation?.close();
      progress({ type: 'refused', code: codeOf(error) ?? 'ERR_BATON_UNEXPECTED', message: messageOf(error) });
      if (!over) timer = setTimeout(() => void mend(), MEND_MS);
    }
  };

  core.predecessor = version;
  first.handle({ frame: hear, ended });

  return {
    async giveBack(timeoutMs) {
      if (!isConnected() || over) return false;
      over = true;
      const resumed = new Promise<void>((resolve) => {
        returning = { drain: undefined, resumed: resolve };
      });
      channel.send({ type: 'back' });
      await Promise.race([
        resumed,
        new Promise((resolve) => setTimeout(resolve, Math.min(ANSWER_MS, timeoutMs)).unref()),
      ]);
      if (!isConnected()) return false;
      const servers = names.flatMap((name) => core.servers.get(name) ?? []);
      for (const server of servers) server.stop();
      progress({ type: 'givenBack', version });
      await new Promise<void>((resolve) => {
        const returned = drain(servers, channel, {
          timeoutMs,
          moved: (moving) => countMoved(core, moving),
          done: (result) => {
            loan?.send(channel, loan.take());
            channel.send({ type: 'drained', ...result }, [], (error) => {
              if (!error) resolve();
            });
          },
        });
        returning = {
          drain: returned,
          // The predecessor died while it took back: this process is the only one left, and accepts again.
          resumed: () => void startServers(core, names).then(resolve, resolve),
        };
      });
      return isConnected();
    },
    close() {
      over = true;
      clearTimeout(timer);
      if (isConnected()) channel.close();
      connected = false;
      loan?.close();
    },
  };
}
