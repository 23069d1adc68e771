// The process of an agent whose node is played: what the sidecars' processes would write follows from the pods' status.
import { parseArgs } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { runAgent } from '../../../agent/main.ts';
import { recordsOn } from '../../../agent/hot-upgrade/view.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { playedStateFiles } from '../controller/played-agent.ts';

const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string', default: '' },
    'node-name': { type: 'string', default: '' },
    'metrics-port': { type: 'string', default: '0' },
    'health-port': { type: 'string', default: '0' },
    'max-concurrent-upgrades': { type: 'string', default: '3' },
    /** New copies with this image say that they failed. */
    bad: { type: 'string', default: '' },
    /** It kills itself at the first look at a pod in this phase, `none` before the first; or so many milliseconds after. */
    'die-in': { type: 'string' },
    'die-after': { type: 'string', default: '0' },
    /** It cannot see its node. */
    blind: { type: 'boolean', default: false },
  },
});

const config = new KubeConfig();
config.loadFromFile(values.kubeconfig);
const end = new AbortController();
process.once('SIGTERM', () => end.abort());

const phaseOf = (pod: Pod): string => [...recordsOn(pod).values()][0]?.phase ?? 'none';
const die = (): void => void process.kill(process.pid, 'SIGKILL');

await runAgent({
  config,
  node: values['node-name'],
  version: 'test',
  ports: { metrics: Number(values['metrics-port']), health: Number(values['health-port']) },
  maxConcurrent: Number(values['max-concurrent-upgrades']),
  access: () => ({
    look(pod) {
      if (phaseOf(pod) === values['die-in']) {
        if (values['die-after'] === '0') die();
        else setTimeout(die, Number(values['die-after']));
      }
      if (values.blind) return Promise.reject(Object.assign(new Error('no runtime'), { code: 'ERR_BATON_RUNTIME' }));
      const nature = { sidecar: 'side', emptyImage: 'side:empty', bad: new Set([values.bad]) };
      return Promise.resolve({ stateFiles: new Map([['side', playedStateFiles(pod, nature)]]) });
    },
    attend: () => undefined,
    pull: () => undefined,
    stopContainer: () => undefined,
    close: () => undefined,
  }),
  signal: end.signal,
  log: pino({ base: undefined }),
  registry: new Registry(),
});
