import { fork } from 'node:child_process';
import type {
  Bucket,
  HttpLoad,
  Latency,
  LoadNews,
  LoadOrder,
  LoadSummary,
  Target,
  TcpLoad,
  Window,
} from './load-types.ts';
import type { Program } from './program.ts';

/** The first argument by which `baton rehearse` knows that it is to be the load generator. */
export const loadArgument = '--drive-load';

/** The running load generator, seen from the runner. */
export interface RunningLoad {
  /** Answers count for `window` from now on; resolves with the latency of the stretch that this ended. */
  enter(window: Window): Promise<Latency>;
  /** Lets requests in hand finish, ends the process. */
  stop(): Promise<LoadSummary>;
  /** Ends it at once, without figures. */
  kill(): void;
}

/** Starts the load generator as a process and its clients in it. Rejects when it cannot be started. */
export async function startLoad(
  load: HttpLoad | TcpLoad,
  targets: Target[],
  program: Program,
  onBucket: (bucket: Bucket) => void,
): Promise<RunningLoad> {
  const child = fork(program.file, ['rehearse', loadArgument], {
    execPath: program.node,
    execArgv: program.nodeOptions,
    // Its own session: Ctrl-C is for the runner, which then asks it for its figures.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let complaints = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints = (complaints + text).slice(-2000)));
  const waiting = new Map<LoadNews['type'], { resolve: (news: LoadNews) => void; reject: (error: Error) => void }>();
  child.on('message', (news: LoadNews) => {
    if (news.type === 'bucket') onBucket(news.bucket);
    waiting.get(news.type)?.resolve(news);
  });
  const fail = (why: string) => {
    for (const { reject } of waiting.values()) reject(new Error(`the load generator ${why}: ${complaints.trim()}`));
  };
  let gone = false;
  child.once('error', (error) => fail(`cannot be started (${error.message})`));
  child.once('exit', (code, signal) => {
    gone = true;
    fail(`ended (${signal ?? `exit code ${code ?? '?'}`})`);
  });
  const next = async <T extends LoadNews['type']>(type: T): Promise<Extract<LoadNews, { type: T }>> => {
    if (gone) throw new Error(`the load generator is gone: ${complaints.trim()}`);
    const news = await new Promise<LoadNews>((resolve, reject) => waiting.set(type, { resolve, reject })).finally(() =>
      waiting.delete(type),
    );
    return news as Extract<LoadNews, { type: T }>;
  };
  const order = (message: LoadOrder) => void child.send(message, () => undefined);

  await next('ready');
  order({ type: 'start', load, targets });
  return {
    async enter(window) {
      const answer = next('window');
      order({ type: 'window', window });
      return (await answer).latency;
    },
    async stop() {
      const answer = next('summary');
      order({ type: 'stop' });
      const { summary } = await answer;
      if (child.connected) child.disconnect();
      return summary;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}
