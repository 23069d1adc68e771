import * as native from '../native/index.ts';
import { objectionTo } from './admission.ts';
import { openChannel, type Channel } from './channel.ts';
import { countMoved, startServers, type Core } from './core.ts';
import { borrow, receiveCounts, type Debt } from './debt.ts';
import { drain, type Drain } from './drain.ts';
import { isBatonError, summary } from './errors.ts';
import type { Frame } from './frames.ts';
import { ANSWER_MS, checkUser } from './inheritance.ts';
import { openLoan, type Loan } from './loan.ts';
import { PROTOCOL, type Message } from './messages.ts';
import { offeredTo, sendOffer } from './offer.ts';
import { receiveConnection } from './receiving.ts';
import { openReception } from './reception.ts';
import { accepts, advance, type Command, type Phase, type SessionEvent } from './session.ts';

/** A successor may take this long, in milliseconds, from the offer until it is ready. */
const READY_MS = 300_000;
/** A take-back that failed, for want of a descriptor perhaps, is tried again after so many milliseconds. */
const RETRY_MS = 1000;
/** Processes that have connected and not yet said who they are, at most. */
const MAX_STRANGERS = 16;

/** This process as the one that hands over. */
export interface Predecessor {
  /** Whether this process accepts connections itself. */
  accepting(): boolean;
  /** Whether it has handed over and nothing is left here. */
  drained(): boolean;
  /** Hears no successor any more. Sessions end; the successor goes on alone. */
  close(): void;
}

interface Session {
  phase: Phase;
  channel: Channel;
  version: string;
  /** The protocol that both speak. */
  protocol: number;
  /** The sockets that the successor serves. */
  names: string[];
  draining: Drain | undefined;
  /** The state that the offer came with; absent where the successor served already. */
  told: Map<string, Buffer> | undefined;
  /** What it was given of the counts, and what it gave back. */
  loan: Loan | undefined;
  debt: Debt | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Listens at `<version>.sock` and hands over to whoever comes and is fit; refuses the rest with a code. */
export function awaitSuccessors(core: Core): Predecessor {
  const { identity, keeper, progress, servers } = core;
  const sessions = new Set<Session>();
  const loans = new Set<Loan>();
  let current: Session | undefined;

  const refuse = (session: Session, error: { code: string; message: string }): void => {
    progress({ type: 'refused', ...error });
    session.channel.send({ type: 'refuse', ...error });
    session.channel.close();
    forget(session);
  };

  const forget = (session: Session): void => {
    clearTimeout(session.timer);
    sessions.delete(session);
    session.loan?.watch();
    if (current === session) current = undefined;
  };

  const offer = (session: Session): void => {
    current = session;
    const { sockets, told } = sendOffer(session.channel, session.protocol, core);
    session.told = told;
    session.timer = setTimeout(() => {
      step(session, 'unexpected', {
        code: 'ERR_BATON_TIMEOUT',
        message: `version ${session.version} was not ready ${READY_MS} ms after the offer`,
      });
    }, READY_MS);
    progress({ type: 'offered', version: session.version, sockets });
  };

  const handOver = (session: Session): void => {
    current = session;
    clearTimeout(session.timer);
    const leaving = session.names.flatMap((name) => servers.get(name) ?? []);
    for (const server of leaving) server.stop();
    const finals = [...core.states].filter(([key, bytes]) => session.told && session.told.get(key) !== bytes);
    // First what dead successors had been given, so that it goes along.
    for (const loan of [...loans]) loan.collect();
    const parcels = session.loan?.take() ?? [];
    const count = finals.length + parcels.length;
    session.channel.send({ type: 'stopped', finals: count }, core.lock === undefined ? [] : [core.lock]);
    for (const [key, bytes] of finals) session.channel.send({ type: 'final', key, bytes: bytes.toString('base64') });
    session.loan?.send(session.channel, parcels);
    progress({ type: 'ready', version: session.version });
    keeper.update({ phase: 'draining' });
    session.draining = drain(leaving, session.channel, {
      timeoutMs: core.drainTimeoutMs,
      moved: (moving) => countMoved(core, moving),
      done(result) {
        const { finished, cut } = keeper.state.counters;
        keeper.count({ finished: finished + result.finished, cut: cut + result.cut });
        // What was counted while it drained.
        session.loan?.send(session.channel, session.loan.take());
        session.channel.send({ type: 'drained', ...result }, [], (error) => {
          if (error) return;
          // It may be ended now: the counts are gone from here.
          keeper.update({ phase: 'drained', drainedAt: core.environment.now() });
          progress({ type: 'drained', ...result });
        });
      },
    });
  };

  const takeBack = (session: Session, reason: string): void => {
    keeper.count({ takenBack: keeper.state.counters.takenBack + 1 });
    startServers(core, session.names).then(
      () => {
        if (current && !accepts(current.phase)) return;
        keeper.update({ phase: core.leaving ? 'stopping' : 'serving' });
        progress({ type: 'takenBack', version: session.version, reason });
      },
      (error: unknown) => {
        keeper.update({ phase: 'failed', error: summary(error) });
        // Nobody else may be left to accept.
        setTimeout(() => takeBack(session, reason), RETRY_MS).unref();
      },
    );
  };

  const step = (session: Session, event: SessionEvent, why: { code: string; message: string }): void => {
    const { phase, commands } = advance(session.phase, event);
    session.phase = phase;
    const act: Record<Command, () => void> = {
      offer: () => offer(session),
      'hand-over': () => handOver(session),
      'take-back'() {
        session.draining?.stop(event !== 'back');
        takeBack(session, why.message);
      },
      'say-resumed'() {
        session.debt = borrow(session.channel, { type: 'resumed' }, core);
      },
      refuse: () => refuse(session, why),
    };
    for (const command of commands) act[command]();
  };

  const greet = (session: Session, hello: Extract<Message, { type: 'hello' }>): void => {
    if (session.phase !== 'greeting') {
      unexpected(session, hello);
      return;
    }
    clearTimeout(session.timer);
    session.version = hello.version;
    session.protocol = Math.min(PROTOCOL, hello.protocol);
    const wrong = objectionTo(hello, core, current && `version ${current.version} (${current.phase})`);
    session.names = [...new Set(hello.serving)];
    if (hello.serving) session.loan = [...loans].findLast(({ version }) => version === hello.version);
    if (wrong) step(session, 'unexpected', summary(wrong));
    else step(session, hello.serving ? 'hello-serving' : 'hello', { code: '', message: '' });
  };

  const unexpected = (session: Session, message: Message): void =>
    step(session, 'unexpected', {
      code: 'ERR_BATON_MESSAGE',
      message: `${message.type} is not expected now (${session.phase})`,
    });

  const hear = (session: Session, frame: Frame): void => {
    const { message, descriptors } = frame;
    if (message.type === 'connection' && session.phase === 'returning') {
      receiveConnection(core, session.channel, frame);
      return;
    }
    const counts = message.type === 'ready' && session.phase === 'offered' ? message.counts : undefined;
    const token = counts && descriptors[0];
    for (const descriptor of descriptors) if (descriptor !== token) native.close(descriptor);
    if (counts && token !== undefined) {
      session.loan = openLoan(loans, token, { version: session.version, keys: counts, counts: core.counts });
    }
    switch (message.type) {
      case 'ping':
        break;
      case 'hello':
        greet(session, message);
        break;
      case 'ready':
        session.names = offeredTo(session.protocol, core)
          .map(({ description }) => description.name)
          .filter((name) => message.sockets.includes(name));
        step(session, 'ready', { code: 'ERR_BATON_MESSAGE', message: 'ready is not expected now' });
        break;
      case 'ack':
      case 'nack':
        if (!session.draining?.answer(message)) unexpected(session, message);
        break;
      case 'refuse':
        step(session, 'unexpected', { code: message.code, message: message.message });
        break;
      case 'back':
        step(session, 'back', { code: 'ERR_BATON_MESSAGE', message: `version ${session.version} gave back` });
        break;
      case 'final':
        if (session.phase !== 'returning' || !receiveCounts(core.counts, message, session.debt))
          unexpected(session, message);
        else session.loan?.returned(message.key);
        break;
      case 'drained':
        step(session, 'drained', { code: 'ERR_BATON_MESSAGE', message: 'drained is not expected now' });
        break;
      default:
        unexpected(session, message);
    }
  };

  const meet = (socket: number): void => {
    const session: Session = {
      phase: 'greeting',
      version: '?',
      protocol: PROTOCOL,
      names: [],
      draining: undefined,
      told: undefined,
      loan: undefined,
      debt: undefined,
      timer: undefined,
      channel: openChannel(socket, identity, {
        frame: (frame) => hear(session, frame),
        ended(error) {
          if (isBatonError(error)) progress({ type: 'refused', ...summary(error) });
          session.draining?.stop(true);
          forget(session);
          step(session, 'ended', {
            code: 'ERR_BATON_DISCONNECTED',
            message: error ? `version ${session.version}: ${error.message}` : `version ${session.version} is gone`,
          });
        },
      }),
    };
    sessions.add(session);
    session.timer = setTimeout(() => {
      step(session, 'unexpected', { code: 'ERR_BATON_TIMEOUT', message: `no hello in ${ANSWER_MS} ms` });
    }, ANSWER_MS);
    try {
      checkUser(session.channel.peer.uid, core);
    } catch (error) {
      step(session, 'unexpected', summary(error));
    }
  };

  const strangers = (): number => [...sessions].filter(({ phase }) => phase === 'greeting').length;
  const closeReception = openReception(core, { meet, crowded: () => strangers() >= MAX_STRANGERS });

  return {
    accepting: () => !current || accepts(current.phase),
    drained: () => keeper.state.phase === 'drained',
    close() {
      closeReception();
      for (const session of [...sessions]) {
        session.channel.close();
        session.draining?.stop(true);
        forget(session);
      }
      for (const loan of [...loans]) loan.close();
    },
  };
}
