import type { Row } from './panel.ts';
import { anyIsBad, good, home, node, set } from './queries.ts';

/** What becomes of pods, by SidecarSet. */
export const rollouts: readonly Row[] = [
  {
    title: 'At a glance',
    height: 4,
    panels: [
      {
        title: 'Rollouts going on',
        description: 'SidecarSets whose pods are being upgraded or wait for others.',
        kind: 'stat',
        unit: 'short',
        width: 3,
        queries: [[`sum(baton_rollout_upgrading{${set}})`, '']],
        colours: [good, [1, 'blue']],
      },
      {
        title: 'Rollouts halted',
        description:
          'So many pods failed that nothing more is upgraded: the runbook BatonRolloutHalted says what to do.',
        kind: 'stat',
        unit: 'short',
        width: 3,
        queries: [[`sum(baton_rollout_halted{${set}})`, '']],
        colours: anyIsBad,
      },
      {
        title: 'Pods in trouble',
        description: 'They failed, are blocked, or have no agent: somebody has to look at them.',
        kind: 'stat',
        unit: 'short',
        width: 3,
        queries: [[`sum(baton_rollout_pods{${set}, state=~"failed|blocked|noAgent"})`, '']],
        colours: anyIsBad,
      },
      {
        title: 'Pods without sidecars',
        description: 'They match a SidecarSet and missed the webhook, as the last census found (every 5 minutes).',
        kind: 'stat',
        unit: 'short',
        width: 3,
        queries: [[`sum(baton_missed_pods{${set}}) or vector(0)`, '']],
        colours: anyIsBad,
      },
      {
        title: 'Hot upgrades under way',
        description: 'Pods in which two copies run just now.',
        kind: 'stat',
        unit: 'short',
        width: 3,
        queries: [[`sum(baton_upgrades_in_progress{${node}})`, '']],
        colours: [good, [1, 'blue']],
      },
      {
        title: 'Connections cut',
        description: 'Of old copies, in the time that is shown. All others moved or ended by themselves.',
        kind: 'stat',
        unit: 'short',
        width: 3,
        queries: [[`sum(increase(baton_handover_connections_total{${node}, fate="cut"}[$__range]))`, '']],
        colours: [good, [0.5, 'orange']],
      },
      {
        title: 'Leaders',
        description: 'One replica leads. For some seconds after it went there is none; more than one is a fault.',
        kind: 'stat',
        unit: 'short',
        width: 3,
        queries: [[`sum(baton_leader{${home}})`, '']],
        colours: [
          [0, 'red'],
          [1, 'green'],
          [2, 'red'],
        ],
      },
      {
        title: 'Certificate ends in',
        description: "The webhooks' own. Baton renews its certificates when a third of their 90 days is left.",
        kind: 'stat',
        unit: 's',
        width: 3,
        queries: [[`min(baton_webhook_certificate_expiration_timestamp_seconds{${home}}) - time()`, '']],
        colours: [
          [0, 'red'],
          [7 * 86_400, 'orange'],
          [14 * 86_400, 'green'],
        ],
      },
    ],
  },
  {
    title: 'Rollouts',
    height: 8,
    panels: [
      {
        title: 'Progress',
        description: 'The share of pods that are updated, of those that this rollout is for.',
        kind: 'gauge',
        unit: 'percentunit',
        width: 8,
        queries: [
          [
            `sum by (sidecarset) (baton_rollout_pods{${set}, state="updated"}) / ` +
              `(sum by (sidecarset) (baton_rollout_pods{${set}, state!="notSelected"}) > 0)`,
            '{{sidecarset}}',
          ],
        ],
        colours: [
          [0, 'blue'],
          [1, 'green'],
        ],
      },
      {
        title: 'Pods that are left',
        description:
          'Under way or waiting. A line that stays level is a rollout that does not get on, unless it is paused.',
        kind: 'lines',
        unit: 'short',
        width: 8,
        queries: [
          [
            `sum by (sidecarset) (baton_rollout_pods{${set}, state=~"upgrade|grant|upgrading|waiting"})`,
            '{{sidecarset}}',
          ],
        ],
      },
      {
        title: 'Pods in trouble, by SidecarSet',
        description: 'failed: rolled back. blocked, noAgent, notUpgradable: see docs/plan.md.',
        kind: 'stack',
        unit: 'short',
        width: 8,
        queries: [
          [
            `sum by (sidecarset, state) (baton_rollout_pods{${set}, state=~"failed|blocked|noAgent|notUpgradable"})`,
            '{{sidecarset}} {{state}}',
          ],
        ],
      },
      {
        title: 'Pods by state: $sidecarset',
        description: "What becomes of each of the SidecarSet's pods; the states are the verdicts of `baton plan`.",
        kind: 'stack',
        unit: 'short',
        width: 8,
        queries: [[`sum by (state) (baton_rollout_pods{${set}})`, '{{state}}']],
        repeat: 'sidecarset',
      },
    ],
  },
];
