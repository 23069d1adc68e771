import { layOut } from './panel.ts';
import { home } from './queries.ts';
import { rollouts } from './rollouts.ts';
import { services } from './services.ts';
import { upgrades } from './upgrades.ts';

const variable = (name: string, label: string, query: string): object => ({
  name,
  label,
  type: 'query',
  datasource: { type: 'prometheus', uid: '${datasource}' },
  definition: query,
  query: { qryType: 1, query, refId: 'PrometheusVariableQueryEditor-VariableQuery' },
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { text: ['All'], value: ['$__all'] },
  // When the time range changes: sets and nodes come and go.
  refresh: 2,
  sort: 1,
});

/** The dashboard as Grafana imports it (10 or later). */
export const dashboard = {
  uid: 'baton',
  title: 'Baton',
  description: 'Hot upgrades of sidecars: rollouts, hand-overs, webhook, controller and agents.',
  tags: ['baton', 'kubernetes'],
  schemaVersion: 41,
  editable: true,
  graphTooltip: 1,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  timezone: 'browser',
  annotations: { list: [] },
  links: [],
  templating: {
    list: [
      { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1, current: {} },
      variable('namespace', 'Namespace of Baton', 'label_values(baton_leader, namespace)'),
      variable('sidecarset', 'SidecarSet', `label_values(baton_rollout_pods{${home}}, sidecarset)`),
      variable('node', 'Node', `label_values(baton_node_pods{${home}}, node)`),
    ],
  },
  panels: layOut([...rollouts, ...upgrades, ...services]),
};
