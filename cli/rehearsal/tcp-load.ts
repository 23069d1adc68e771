import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { reasonOf } from './http-load.ts';
import type { TcpLoad } from './load-types.ts';
import { makePace, pause, untilDue } from './pace.ts';
import type { Recorder } from './recorder.ts';

interface Connection {
  socket: Socket;
  /** Resolves with the next line, or a failure's name. */
  line(timeout: number): Promise<{ text: string } | { failure: string }>;
  open(): boolean;
}

const afterFailure = 50;

/** One client with one long connection: sends a line, waits for the same line, until `signal` aborts. */
export async function tcpClient(
  load: TcpLoad,
  target: { host: string; port: number },
  index: number,
  recorder: Recorder,
  signal: AbortSignal,
): Promise<void> {
  const pace = makePace(load.rate, index, load.connections, performance.now());
  let connection: Connection | undefined;
  for (let count = 0; !signal.aborted; count++) {
    const due = await untilDue(pace, signal);
    if (due === undefined) break;
    const failure = await exchange(`${index}:${count}`);
    if (failure === undefined) {
      recorder.answered(performance.now() - due, undefined);
    } else {
      recorder.failed(failure);
      connection?.socket.destroy();
      connection = undefined;
      await pause(afterFailure, signal);
    }
  }
  connection?.socket.destroy();

  async function exchange(line: string): Promise<string | undefined> {
    if (!connection?.open()) {
      const opened = await open(target, recorder, signal, load.timeout);
      if ('failure' in opened) return opened.failure;
      connection = opened;
    }
    connection.socket.write(`${line}\n`);
    const answer = await connection.line(load.timeout);
    if ('failure' in answer) return answer.failure;
    return answer.text === line ? undefined : 'wrong answer';
  }
}

function open(
  target: { host: string; port: number },
  recorder: Recorder,
  signal: AbortSignal,
  timeout: number,
): Promise<Connection | { failure: string }> {
  return new Promise((resolve) => {
    const socket = connect({ ...target, noDelay: true });
    let opened = false;
    let ended: string | undefined;
    let text = '';
    let wake: (() => void) | undefined;
    const timer = setTimeout(() => {
      resolve({ failure: 'timeout' });
      socket.destroy();
    }, timeout);
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      wake?.();
    });
    socket.once('end', () => (ended ??= 'reset'));
    socket.on('error', (error) => {
      ended = reasonOf(error);
      if (ended === 'refused') recorder.connection('refused');
      if (!opened) resolve({ failure: ended });
    });
    socket.once('close', () => {
      clearTimeout(timer);
      // Without FIN or an error it was this client that ended it.
      if (opened && ended !== undefined && !signal.aborted) recorder.connection('closed');
      ended ??= 'reset';
      wake?.();
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      opened = true;
      recorder.connection('opened');
      resolve({ socket, line, open: () => ended === undefined });
    });

    async function line(patience: number): Promise<{ text: string } | { failure: string }> {
      const deadline = performance.now() + patience;
      for (;;) {
        const end = text.indexOf('\n');
        if (end >= 0) {
          const whole = text.slice(0, end);
          text = text.slice(end + 1);
          return { text: whole };
        }
        if (ended !== undefined) return { failure: ended };
        const left = deadline - performance.now();
        if (left <= 0) return { failure: 'timeout' };
        await new Promise<void>((done) => {
          const late = setTimeout(done, left);
          wake = () => {
            clearTimeout(late);
            done();
          };
        });
      }
    }
  });
}
