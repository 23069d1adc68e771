import type { Row } from './panel.ts';
import { every, good, node, quantiles } from './queries.ts';

/** What agents do, by node. */
export const upgrades: readonly Row[] = [
  {
    title: 'Hot upgrades by node',
    height: 8,
    panels: [
      {
        title: 'Under way, and waiting for a place',
        description:
          "At most --max-concurrent-upgrades (3) are under way on a node; the others wait for the node's agent.",
        kind: 'stack',
        unit: 'short',
        width: 8,
        queries: [
          [`sum by (node) (baton_upgrades_in_progress{${node}})`, '{{node}}'],
          [`sum by (node) (baton_upgrades_waiting{${node}})`, '{{node}} waits'],
        ],
      },
      {
        title: 'Ended, by result',
        description: 'Upgrades that ended: done, failed, withdrawn before anything changed, or gone with their pod.',
        kind: 'bars',
        unit: 'short',
        width: 8,
        queries: [[`sum by (node, result) (increase(baton_upgrades_total{${node}}${every}))`, '{{node}} {{result}}']],
      },
      {
        title: 'Failed, by reason',
        description: 'docs/hot-upgrade.md says what each reason means. The old version serves on.',
        kind: 'bars',
        unit: 'short',
        width: 8,
        queries: [
          [
            `sum by (node, reason) (increase(baton_upgrades_total{${node}, result="failed"}${every}))`,
            '{{node}} {{reason}}',
          ],
        ],
      },
      {
        title: 'Duration of a whole upgrade',
        description: 'From the first change of the pod to its end. 4 to 5 seconds where nothing has to drain.',
        kind: 'lines',
        unit: 's',
        width: 8,
        queries: quantiles('baton_upgrade_duration_seconds', node, 'result'),
      },
      {
        title: 'Mean duration of phases',
        description: 'Upgrading: until the new copy serves. Soaking: the old one drains. Resetting: it becomes empty.',
        kind: 'lines',
        unit: 's',
        width: 8,
        queries: [
          [
            `sum by (node, phase) (rate(baton_upgrade_phase_duration_seconds_sum{${node}}${every})) / ` +
              `sum by (node, phase) (rate(baton_upgrade_phase_duration_seconds_count{${node}}${every}))`,
            '{{node}} {{phase}}',
          ],
        ],
      },
      {
        title: 'Problems found, and pulls',
        description:
          'Degraded: a sidecar may not serve. Blocked: pod or node is not as it must be. HeldBack: node pressure.',
        kind: 'bars',
        unit: 'short',
        width: 8,
        queries: [
          [`sum by (node, problem) (increase(baton_upgrade_problems_total{${node}}${every}))`, '{{node}} {{problem}}'],
          [
            `sum by (node, result) (increase(baton_pull_duration_seconds_count{${node}}${every}))`,
            '{{node}} {{result}}',
          ],
        ],
      },
    ],
  },
  {
    title: 'Hand-over',
    height: 8,
    panels: [
      {
        title: 'Pause',
        description:
          'From connecting to the old copy until the new one accepts. Connections that come meanwhile wait in the queue of the kernel.',
        kind: 'lines',
        unit: 's',
        width: 12,
        queries: quantiles('baton_handover_pause_seconds', node),
        colours: [good, [0.1, 'orange']],
      },
      {
        title: 'Connections of old copies',
        description:
          'moved: to the new copy. finished: ended by themselves. cut: were still there when the old copy had to go.',
        kind: 'bars',
        unit: 'short',
        width: 12,
        queries: [[`sum by (fate) (increase(baton_handover_connections_total{${node}}${every}))`, '{{fate}}']],
      },
    ],
  },
];
