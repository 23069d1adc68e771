import type { Logger } from 'pino';
import type { Pod } from '../api/kubernetes.ts';
import { pods } from '../cluster/resource.ts';
import type { Recorder } from '../cluster/service/recorder.ts';
import { chronicle, countOpen, type Chronicle, type News } from './chronicle.ts';
import { happeningOf } from './events.ts';
import type { Step } from './hot-upgrade/step.ts';
import type { Memory, View } from './hot-upgrade/view.ts';
import type { Metrics } from './metrics.ts';

export interface TellerOptions {
  metrics: Pick<Metrics, 'happened' | 'gone'>;
  recorder: Pick<Recorder, 'record'>;
  log: Logger;
}

/** Tells what happens to pods, once; see {@link createTeller}. */
export interface Teller {
  onLook: (view: View, step: Step, memory: Memory) => void;
  /** What stands in the way of a look or a step, other than that the API server is away: nothing that a pod's people could mend. */
  onTrouble: (pod: Pod, error: unknown) => void;
  /** The pod of this uid is gone. */
  forget: (uid: string) => void;
}

/** Tells in events, metrics and the log what looks at pods bring. */
export function createTeller({ metrics, recorder, log }: TellerOptions): Teller {
  const chronicles = new Map<string, Chronicle>();
  const troubles = new Map<string, string>();

  const tell = (pod: Pod, news: News): void => {
    const happening = happeningOf(pod, news);
    const { namespace, name, uid } = pod.metadata ?? {};
    const level = happening.type === 'Warning' ? 'warn' : 'info';
    log[level]({ namespace, name, uid, reason: happening.reason }, happening.message);
    metrics.happened(news);
    recorder.record(pods, { metadata: pod.metadata ?? {} }, happening);
  };

  return {
    onLook(view, step, memory) {
      const { uid = '' } = view.pod.metadata ?? {};
      troubles.delete(uid);
      const told = chronicle(chronicles.get(uid), view, step, memory);
      chronicles.set(uid, told.chronicle);
      for (const news of told.news) tell(view.pod, news);
    },
    onTrouble(pod, error) {
      const { uid = '' } = pod.metadata ?? {};
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      const trouble = `${error instanceof Error ? error.message : String(error)}${code && ` [${code}]`}`;
      if (code === 'ERR_BATON_UNAVAILABLE' || troubles.get(uid) === trouble) return;
      troubles.set(uid, trouble);
      tell(pod, { is: 'problem', what: 'Blocked', message: trouble });
    },
    forget(uid) {
      metrics.gone(countOpen(chronicles.get(uid)));
      chronicles.delete(uid);
      troubles.delete(uid);
    },
  };
}
