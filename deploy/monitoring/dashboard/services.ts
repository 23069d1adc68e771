import type { Row } from './panel.ts';
import { every, good, home, node, ofBaton, quantiles } from './queries.ts';

/** How the parts themselves fare. */
export const services: readonly Row[] = [
  {
    title: 'Webhook',
    height: 8,
    panels: [
      {
        title: 'Reviews',
        description: 'Answered by all replicas: /mutate-pods is asked once for each new pod.',
        kind: 'lines',
        unit: 'reqps',
        width: 6,
        queries: [[`sum by (path) (rate(baton_webhook_responses_total{${home}}${every}))`, '{{path}}']],
      },
      {
        title: 'Latency',
        description: 'Of reviews, without the way to the API server, which waits 5 seconds for a pod.',
        kind: 'lines',
        unit: 's',
        width: 6,
        queries: quantiles('baton_webhook_duration_seconds', home, 'path'),
        colours: [good, [1, 'red']],
      },
      {
        title: 'Refusals',
        description: 'SidecarSets with mistakes, mostly: who applied one was told. Pods are never refused.',
        kind: 'bars',
        unit: 'short',
        width: 6,
        queries: [
          [`sum by (path) (increase(baton_webhook_responses_total{${home}, allowed="false"}${every}))`, '{{path}}'],
        ],
      },
      {
        title: 'Errors',
        description:
          'No reviews were given. 503: a replica that has just started; 500: a mistake of Baton, its log has more.',
        kind: 'bars',
        unit: 'short',
        width: 6,
        queries: [
          [
            `sum by (path, status) (increase(baton_webhook_responses_total{${home}, status!="200"}${every}))`,
            '{{path}} {{status}}',
          ],
        ],
      },
    ],
  },
  {
    title: 'Controller',
    height: 8,
    panels: [
      {
        title: 'Leader',
        description: 'Which replica leads, and whether Baton stands aside for another controller.',
        kind: 'stack',
        unit: 'short',
        width: 6,
        queries: [
          [`baton_leader{${home}}`, '{{pod}}'],
          [`max(baton_second_controller{${home}})`, 'stands aside'],
        ],
        colours: [good, [2, 'red']],
      },
      {
        title: 'Steps of rollouts',
        description: 'Each SidecarSet is looked at when it or its pods change. Errors are tried again.',
        kind: 'lines',
        unit: 'ops',
        width: 6,
        queries: [
          [`sum(rate(baton_reconcile_duration_seconds_count{${home}}${every}))`, 'steps'],
          [`sum(rate(baton_reconcile_errors_total{${home}}${every}))`, 'errors'],
        ],
      },
      {
        title: 'Duration of a step, and of waiting for it',
        description: 'A step writes pods for at most a second before it plans anew.',
        kind: 'lines',
        unit: 's',
        width: 6,
        queries: [
          ...quantiles('baton_reconcile_duration_seconds', home),
          ...quantiles('baton_queue_wait_seconds', home).map(([expr, legend]): [string, string] => [
            expr,
            `waits ${legend}`,
          ]),
        ],
      },
      {
        title: 'SidecarSets that wait',
        description: 'Four are worked on at once; more wait. Always above zero: the controller does not get on.',
        kind: 'lines',
        unit: 'short',
        width: 6,
        queries: [[`sum(baton_queue_length{${home}})`, 'SidecarSets']],
      },
    ],
  },
  {
    title: 'Both parts',
    height: 8,
    panels: [
      {
        title: 'Watches',
        description:
          'listed: read anew as a whole. stalled or failed: nothing is heard for a while, and it is begun anew.',
        kind: 'bars',
        unit: 'short',
        width: 6,
        queries: [
          [`sum by (resource, type) (increase(baton_watch_events_total{${home}}${every}))`, '{{resource}} {{type}}'],
        ],
      },
      {
        title: 'Requests to the API server',
        description: 'Their duration, by resource.',
        kind: 'lines',
        unit: 's',
        width: 6,
        queries: quantiles('baton_api_request_duration_seconds', home, 'resource').slice(1),
      },
      {
        title: 'Requests not granted, and events lost',
        description: '409 is common: somebody else wrote first. Status 0: no answer.',
        kind: 'bars',
        unit: 'short',
        width: 6,
        queries: [
          [
            `sum by (method, resource, status) (increase(baton_api_request_errors_total{${home}}${every}))`,
            '{{method}} {{resource}} {{status}}',
          ],
          [`sum(increase(baton_events_lost_total{${home}}${every}))`, 'events lost'],
        ],
      },
      {
        title: 'Looks of the agents at pods',
        description: 'A look that fails is taken again.',
        kind: 'lines',
        unit: 'ops',
        width: 6,
        queries: [
          [`sum by (node) (rate(baton_look_duration_seconds_count{${node}}${every}))`, '{{node}}'],
          [`sum by (node) (rate(baton_look_errors_total{${node}}${every}))`, '{{node}} errors'],
        ],
      },
      {
        title: 'Injected pods by node',
        description: 'What each agent looks after. A node that is missing has no agent that answers.',
        kind: 'lines',
        unit: 'short',
        width: 6,
        queries: [[`sum by (node) (baton_node_pods{${node}})`, '{{node}}']],
      },
      {
        title: 'Memory',
        description: 'Limits: 512 MiB for the controller, 256 MiB for an agent.',
        kind: 'lines',
        unit: 'bytes',
        width: 6,
        queries: [[ofBaton(`process_resident_memory_bytes{${home}}`), '{{pod}}']],
      },
      {
        title: 'Processor time',
        description: 'Of one processor.',
        kind: 'lines',
        unit: 'percentunit',
        width: 6,
        queries: [[ofBaton(`rate(process_cpu_seconds_total{${home}}${every})`), '{{pod}}']],
      },
      {
        title: 'Delay of the event loop',
        description: 'p99. It is looked at every 0.1 s, so that is no delay; what is above is.',
        kind: 'lines',
        unit: 's',
        width: 6,
        queries: [[ofBaton(`nodejs_eventloop_lag_p99_seconds{${home}}`), '{{pod}}']],
        colours: [good, [0.3, 'orange']],
      },
    ],
  },
];
