/** Series as `promtool test rules` takes them, a sample a minute, and what is to be seen at a moment. */
export interface AlertCase {
  title: string;
  series: readonly Series[];
  /** In minutes. */
  at: number;
  /** Of the alert that fires, without its name and severity; without it none may. */
  fires?: Labels;
}

export type Labels = Readonly<Record<string, string>>;

export interface Series {
  metric: string;
  labels: Labels;
  values: string;
}

const of =
  (common: Labels) =>
  (metric: string, values: string, labels: Labels = {}): Series => ({
    metric,
    values,
    labels: { ...common, ...labels },
  });

const controller = { job: 'baton-controller', namespace: 'baton-system' };
const agent = { job: 'baton-agent', namespace: 'baton-system', node: 'n1' };
const apiServer = { job: 'apiserver' };
const first = of({ ...controller, pod: 'c-1', instance: '10.0.0.1:8080', node: 'n1' });
const second = of({ ...controller, pod: 'c-2', instance: '10.0.0.2:8080', node: 'n2' });
const agentTarget = { ...agent, pod: 'a-1', instance: '10.0.0.3:8080' };
const onNode = of(agentTarget);
const api = of({ ...apiServer, instance: '10.0.0.9:6443' });

const set = { sidecarset: 'web' };
const ofSet = { ...controller, ...set };
const pods = (state: string, values: string): Series => first('baton_rollout_pods', values, { ...set, state });
const upgrades = (values: string, result: string, reason = ''): Series =>
  onNode('baton_upgrades_total', values, { result, reason });
const review = (values: string, status: string, allowed: string): Series =>
  first('baton_webhook_responses_total', values, { path: '/mutate-pods', status, allowed });
const latency = (le: string, values: string): Series =>
  first('baton_webhook_duration_seconds_bucket', values, { path: '/mutate-pods', le });

/** By alert: at least one case in which it fires, and one in which it does not. */
export const alertCases: Readonly<Record<string, readonly AlertCase[]>> = {
  BatonRolloutHalted: [
    { title: 'halted', series: [first('baton_rollout_halted', '1x10', set)], at: 5, fires: ofSet },
    { title: 'paused', series: [first('baton_rollout_halted', '0x10', set), pods('waiting', '5x10')], at: 5 },
  ],
  BatonRolloutStuck: [
    {
      title: 'nothing comes to its end; new pods are born updated',
      series: [
        first('baton_rollout_upgrading', '1x60', set),
        pods('upgrading', '1x60'),
        pods('waiting', '5x60'),
        pods('updated', '4+1x60'),
      ],
      at: 50,
      fires: ofSet,
    },
    {
      title: 'stuck across a change of leaders',
      series: [
        first('baton_rollout_upgrading', '1x9 stale', set),
        first('baton_rollout_pods', '5x9 stale', { ...set, state: 'waiting' }),
        second('baton_rollout_upgrading', '_x9 1x80', set),
        second('baton_rollout_pods', '_x9 5x80', { ...set, state: 'waiting' }),
      ],
      at: 60,
      fires: ofSet,
    },
    { title: 'paused', series: [first('baton_rollout_upgrading', '0x60', set), pods('waiting', '5x60')], at: 50 },
    {
      title: 'slow: a pod every 15 minutes',
      series: [first('baton_rollout_upgrading', '1x60', set), pods('waiting', '5x14 4x14 3x14 2x14')],
      at: 55,
    },
    {
      title: 'resumed a moment ago',
      series: [first('baton_rollout_upgrading', '0x60 1x20', set), pods('waiting', '5x80')],
      at: 70,
    },
    {
      title: 'the controller was restarted',
      series: [
        first('baton_rollout_upgrading', '1x20 stale _x2 1x40', set),
        pods('waiting', '5x20 stale _x2 4x14 3x14 2x14'),
      ],
      at: 55,
    },
  ],
  BatonGrantsNotTaken: [
    {
      title: 'granted anew now and then, which nobody takes either',
      series: [pods('noAgent', '0 0 2x4 0 2x4 0'), pods('grant', '0 2 0x4 2 0x4 2')],
      at: 12,
      fires: ofSet,
    },
    { title: 'grants are taken', series: [pods('noAgent', '0x20'), pods('grant', '2x20')], at: 15 },
    { title: 'paused', series: [pods('noAgent', '0x20'), pods('waiting', '2x20')], at: 15 },
  ],
  BatonPodsBlocked: [
    { title: 'blocked', series: [pods('blocked', '0 0 1x10')], at: 9, fires: ofSet },
    { title: 'only for a moment', series: [pods('blocked', '0 1 1 0x10')], at: 9 },
  ],
  BatonPodsNotInjected: [
    { title: 'found by two censuses', series: [first('baton_missed_pods', '3x20', set)], at: 15, fires: ofSet },
    { title: 'deleted since', series: [first('baton_missed_pods', '3x4 0x20', set)], at: 15 },
  ],
  BatonUpgradeRolledBack: [
    {
      title: 'the new version crashes',
      series: [upgrades('0x5 1x20', 'failed', 'Crashed')],
      at: 10,
      fires: { ...agent, result: 'failed', reason: 'Crashed' },
    },
    { title: 'the pod was never touched', series: [upgrades('0x5 1x20', 'failed', 'ImageNotFound')], at: 10 },
    { title: 'the agent was restarted', series: [upgrades('4x5 0x20', 'failed', 'Crashed')], at: 10 },
  ],
  BatonUpgradesFailing: [
    {
      title: 'half of them fail',
      series: [upgrades('0+1x40', 'failed', 'Crashed'), upgrades('0+1x40', 'done')],
      at: 39,
      fires: { job: agent.job, namespace: agent.namespace },
    },
    {
      title: 'one in a hundred',
      series: [upgrades('0+1x40', 'failed', 'Crashed'), upgrades('0+99x40', 'done')],
      at: 39,
    },
    { title: 'a single one', series: [upgrades('0x5 1x40', 'failed', 'Crashed'), upgrades('0x45', 'done')], at: 20 },
    {
      title: 'the agent was restarted',
      series: [upgrades('9x10 0x30', 'failed', 'Crashed'), upgrades('9x10 0x30', 'done')],
      at: 20,
    },
  ],
  BatonUpgradeDegraded: [
    {
      title: 'neither copy serves',
      series: [onNode('baton_upgrade_problems_total', '0x5 1x20', { problem: 'Degraded' })],
      at: 10,
      fires: { ...agent, problem: 'Degraded' },
    },
    {
      title: 'the node is under pressure, and the agent was restarted',
      series: [
        onNode('baton_upgrade_problems_total', '0x5 1x20', { problem: 'HeldBack' }),
        onNode('baton_upgrade_problems_total', '3x5 0x20', { problem: 'Degraded' }),
      ],
      at: 10,
    },
  ],
  BatonConnectionsCut: [
    {
      title: 'some were cut',
      series: [onNode('baton_handover_connections_total', '0x5 3x20', { fate: 'cut' })],
      at: 10,
      fires: { ...agent, fate: 'cut' },
    },
    {
      title: 'all moved or ended, and the agent was restarted',
      series: [
        onNode('baton_handover_connections_total', '0+9x20', { fate: 'moved' }),
        onNode('baton_handover_connections_total', '0+9x20', { fate: 'finished' }),
        onNode('baton_handover_connections_total', '5x5 0x20', { fate: 'cut' }),
      ],
      at: 10,
    },
  ],
  BatonWebhookUnreachable: [
    {
      title: 'pods come up without it',
      series: [api('apiserver_admission_webhook_fail_open_count', '0+1x20', { name: 'pods.baton.dev', type: 'admit' })],
      at: 10,
      fires: { ...apiServer, name: 'pods.baton.dev', type: 'admit' },
    },
    {
      title: 'SidecarSets cannot be changed',
      series: [
        api('apiserver_admission_webhook_rejection_count', '0+1x20', {
          name: 'validation.sidecarsets.baton.dev',
          type: 'validating',
          operation: 'UPDATE',
          error_type: 'calling_webhook_error',
          rejection_code: '500',
        }),
      ],
      at: 10,
      fires: {
        ...apiServer,
        name: 'validation.sidecarsets.baton.dev',
        type: 'validating',
        error_type: 'calling_webhook_error',
      },
    },
    {
      title: 'another webhook is away, Baton refuses, and the API server was restarted',
      series: [
        api('apiserver_admission_webhook_fail_open_count', '0+1x20', { name: 'other.example.com', type: 'admit' }),
        api('apiserver_admission_webhook_fail_open_count', '7x5 0x20', { name: 'pods.baton.dev', type: 'admit' }),
        api('apiserver_admission_webhook_rejection_count', '0+1x20', {
          name: 'validation.sidecarsets.baton.dev',
          type: 'validating',
          operation: 'UPDATE',
          error_type: 'no_error',
          rejection_code: '403',
        }),
      ],
      at: 10,
    },
  ],
  BatonWebhookErrors: [
    {
      title: 'a third are errors',
      series: [review('0+60x20', '200', 'true'), review('0+30x20', '500', '')],
      at: 15,
      fires: { ...controller, path: '/mutate-pods' },
    },
    {
      title: 'refusals, and a replica that starts',
      series: [review('0+60x20', '200', 'true'), review('0+60x20', '200', 'false'), review('_x4 3x20', '503', '')],
      at: 15,
    },
    {
      title: 'the controller was restarted',
      series: [review('900x5 0+60x20', '200', 'true'), review('9x5 0x20', '500', '')],
      at: 8,
    },
  ],
  BatonWebhookSlow: [
    {
      title: 'most take seconds',
      series: [latency('1', '0x30'), latency('5', '0+60x30'), latency('+Inf', '0+60x30')],
      at: 25,
      fires: { ...controller, path: '/mutate-pods' },
    },
    {
      title: 'most take less than a second',
      series: [latency('1', '0+60x30'), latency('5', '0+60x30'), latency('+Inf', '0+60x30')],
      at: 25,
    },
    {
      title: 'nobody asks',
      series: [latency('1', '0x30'), latency('5', '9x30'), latency('+Inf', '9x30')],
      at: 25,
    },
  ],
  BatonCertificateEnding: [
    {
      title: 'five days are left',
      series: [first('baton_webhook_certificate_expiration_timestamp_seconds', '432000x150')],
      at: 120,
      fires: controller,
    },
    {
      title: 'renewed in time',
      series: [first('baton_webhook_certificate_expiration_timestamp_seconds', '432000x30 7776000x120')],
      at: 120,
    },
  ],
  BatonControllerDown: [
    { title: 'nothing is scraped', series: [], at: 6, fires: {} },
    {
      title: 'both replicas went',
      series: [first('baton_leader', '1 1 stale'), second('baton_leader', '0 0 stale')],
      at: 9,
      fires: {},
    },
    {
      title: 'one replica is left',
      series: [first('baton_leader', '1 1 stale'), second('baton_leader', '0 0 1x20')],
      at: 15,
    },
    { title: 'restarted', series: [first('baton_leader', '1x3 stale _x2 1x20')], at: 15 },
  ],
  BatonNoLeader: [
    {
      title: 'two replicas, and neither leads',
      series: [first('baton_leader', '0x10'), second('baton_leader', '0x10')],
      at: 6,
      fires: controller,
    },
    {
      title: 'the leader was restarted, and the other takes over',
      series: [first('baton_leader', '1x3 stale _ 0x10'), second('baton_leader', '0x4 1x12')],
      at: 8,
    },
  ],
  BatonTwoLeaders: [
    {
      title: 'two replicas lead',
      series: [first('baton_leader', '1x10'), second('baton_leader', '1x10')],
      at: 6,
      fires: controller,
    },
    {
      title: 'a takeover that two scrapes show at once',
      series: [first('baton_leader', '1x5 0x10'), second('baton_leader', '0x4 1x11')],
      at: 6,
    },
  ],
  BatonSecondController: [
    {
      title: 'both replicas see it',
      series: [first('baton_second_controller', '1x20'), second('baton_second_controller', '1x20')],
      at: 16,
      fires: controller,
    },
    {
      title: 'OpenKruise is switched off while Baton is installed',
      series: [first('baton_second_controller', '1x10 0x20'), second('baton_second_controller', '1x11 0x19')],
      at: 25,
    },
  ],
  BatonAgentDown: [
    {
      title: 'it answers no more',
      series: [onNode('up', '1x5 0x30'), onNode('baton_node_pods', '4x5 stale')],
      at: 20,
      fires: agentTarget,
    },
    {
      title: 'restarted, and its successor has another address',
      series: [
        onNode('up', '1x5 0x4 stale'),
        onNode('baton_node_pods', '4x5 stale'),
        onNode('up', '_x9 1x20', { pod: 'a-2', instance: '10.0.0.4:8080' }),
        onNode('baton_node_pods', '_x9 4x20', { pod: 'a-2', instance: '10.0.0.4:8080' }),
      ],
      at: 20,
    },
    { title: 'something else is down', series: [first('up', '1x5 0x30', { job: 'other' })], at: 20 },
  ],
  BatonReconcileErrors: [
    {
      title: 'again and again',
      series: [first('baton_reconcile_errors_total', '0+1x30')],
      at: 25,
      fires: controller,
    },
    {
      title: 'for five minutes, then the controller was restarted',
      series: [first('baton_reconcile_errors_total', '0+1x5 5x10 0x20')],
      at: 20,
    },
  ],
};
