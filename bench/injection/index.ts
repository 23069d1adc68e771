import { withDefaults } from '../../api/defaults.ts';
import type { Pod } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { inject } from '../../controller/inject/inject.ts';

/** What injecting one pod costs where there are so many SidecarSets, so many of which match it. */
export interface InjectionRow {
  sets: number;
  matching: number;
  /** Of processor time, so that what else runs on the machine counts less. */
  microsPerPod: number;
}

/** Each matching set brings a hot sidecar, a cold one and a volume; the others are only looked at. */
export function injectionBench(): InjectionRow[] {
  const cases: [sets: number, matching: number][] = [
    [1, 1],
    [10, 10],
    [100, 100],
    [1_000, 1],
    [10_000, 1],
  ];
  measure(10, 10, 2_000);
  return cases.map(([sets, matching]) => ({ sets, matching, microsPerPod: measure(sets, matching, 20_000 / sets) }));
}

function measure(sets: number, matching: number, pods: number): number {
  const sidecarSets = Array.from({ length: sets }, (_, index) => makeSet(index, index < matching));
  const rounds = Math.max(300, pods);
  const started = process.cpuUsage();
  for (let round = 0; round < rounds; round++) {
    const injected = inject({ pod, sidecarSets, namespaces: [], revisions: [], now: 0, draw: () => 0.5 });
    if (injected.sidecarSets.length !== matching) throw new Error('not every matching set was injected');
  }
  const { user, system } = process.cpuUsage(started);
  return (user + system) / rounds;
}

const pod: Pod = {
  metadata: { name: 'p', namespace: 'default', labels: { app: 'web', tier: 'front' } },
  spec: {
    containers: [
      {
        name: 'app',
        image: 'app:1',
        env: [{ name: 'TZ', value: 'UTC' }],
        volumeMounts: [{ name: 'd', mountPath: '/d' }],
      },
    ],
    volumes: [{ name: 'd', emptyDir: {} }],
  },
};

function makeSet(index: number, matches: boolean): SidecarSet {
  return withDefaults({
    apiVersion: 'apps.kruise.io/v1beta1',
    kind: 'SidecarSet',
    metadata: { name: `set-${index}` },
    spec: {
      selector: { matchLabels: { app: matches ? 'web' : `other-${index}` } },
      containers: [
        {
          name: `hot-${index}`,
          image: 'hot:1',
          upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'hot:empty' },
        },
        {
          name: `cold-${index}`,
          image: 'cold:1',
          shareVolumePolicy: { type: 'enabled' },
          transferEnv: [{ sourceContainerName: 'app', envName: 'TZ' }],
          volumeMounts: [{ name: `v-${index}`, mountPath: '/v' }],
        },
      ],
      volumes: [{ name: `v-${index}`, emptyDir: {} }],
    },
  });
}
