import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { parse, parseAllDocuments } from 'yaml';
import { generated } from '../../../deploy/monitoring/generate.ts';
import { dashboard, metricsIn, rules, rulesFile } from './rules.ts';

const at = (path: string): string => new URL(`../../../${path}`, import.meta.url).pathname;
const read = (path: string): string => readFileSync(at(path), 'utf8');
const panels = dashboard.panels.filter(({ type }) => type !== 'row');

test('the generated files are what `npm run generate` writes', async (t) => {
  for (const [path, text] of await generated()) t.is(readFileSync(path, 'utf8'), text, path);
});

test('every alert has all that its reader needs, and its own runbook; every runbook is of an alert', (t) => {
  t.true(rules.length > 10);
  for (const { alert, labels, annotations } of rules) {
    t.regex(alert, /^Baton[A-Z]/);
    t.true(['critical', 'warning', 'info'].includes(labels.severity), alert);
    t.true(annotations.summary.length > 20 && annotations.description.length > 20, alert);
    t.is(annotations.runbook_url, `docs/runbooks/${alert}.md`);
  }
  const runbooks = readdirSync(at('docs/runbooks')).filter((name) => name !== 'README.md');
  t.deepEqual(runbooks.sort(), rules.map(({ alert }) => `${alert}.md`).sort());
});

test('every runbook says what it means, who notices, what to look at and what to do', (t) => {
  for (const { alert, labels } of rules) {
    const page = read(`docs/runbooks/${alert}.md`);
    t.true(page.startsWith(`# ${alert}\n\nSeverity: ${labels.severity}.`), alert);
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    t.deepEqual(headings, ['What users notice', 'What to look at', 'What to do'], alert);
    t.regex(page, /```sh\n/, alert);
  }
});

/** What docs/reference/metrics.md lists, with the series that a histogram has. */
const documented = new Set(
  [...read('docs/reference/metrics.md').matchAll(/^\| `(\w+)` *\| (\w+)/gm)].flatMap(([, name = '', type]) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
  ),
);
// Those of prom-client, which the page names by their beginning.
const isDocumented = (name: string): boolean => documented.has(name) || /^(process|nodejs)_/.test(name);

test('every metric of the alerts is documented', (t) => {
  for (const { alert, expr } of rules) {
    const names = metricsIn(expr);
    t.true(names.length > 0, alert);
    for (const name of names) t.true(isDocumented(name), `${alert}: ${name}`);
  }
});

test('every metric of the dashboard is documented, and every one of Baton is on the dashboard', (t) => {
  const shown = new Set(panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => metricsIn(expr))));
  for (const name of shown) t.true(isDocumented(name), name);
  const baton = [...documented].filter((name) => name.startsWith('baton_'));
  t.true(baton.length > 20);
  const whole = (name: string): string => name.replace(/_(bucket|sum|count)$/, '');
  const bases = new Set([...shown].map(whole));
  // Of no use but once: when a cluster comes from OpenKruise.
  const left = new Set(baton.map(whole).filter((name) => !bases.has(name)));
  t.deepEqual(
    [...left],
    ['baton_adopted_pods_total', 'baton_look_duration_seconds'].filter((name) => left.has(name)),
  );
});

test('the dashboard: no panels overlap or stick out, each says what it is', (t) => {
  const taken = new Map<string, string>();
  for (const { title, gridPos } of dashboard.panels) {
    t.true(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        t.is(taken.get(`${x},${y}`), undefined, title);
        taken.set(`${x},${y}`, title);
      }
    }
  }
  t.is(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  for (const { title, description = '', targets = [] } of panels) {
    t.true(description.length > 10 && targets.length > 0, title);
  }
});

test('queries use the variables that there are, and all of them', (t) => {
  const defined = new Set(dashboard.templating.list.map(({ name }) => name));
  const used = new Set(
    [...JSON.stringify(dashboard).matchAll(/\$\{?(\w+)\}?/g)]
      .map(([, name = '']) => name)
      .filter((name) => !/^__|^1$/.test(name)),
  );
  t.deepEqual([...used].sort(), [...defined].sort());
});

test('what kustomize makes of deploy/monitoring is for the same pods, rules and dashboard', (t) => {
  let text: string;
  try {
    text = execFileSync('kubectl', ['kustomize', at('deploy/monitoring')], { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    console.log('# skipped: what kubectl makes of deploy/monitoring, because there is no kubectl');
    t.pass();
    return;
  }
  const objects = parseAllDocuments(text).map((document) => document.toJS() as Record<string, unknown>);
  const kind = (name: string) => objects.find((object) => object['kind'] === name);
  t.is(objects.length, 3);
  t.deepEqual(kind('PrometheusRule')?.['spec'], parse(readFileSync(rulesFile, 'utf8')));
  t.deepEqual(kind('ConfigMap')?.['data'], { 'dashboard.json': read('deploy/monitoring/dashboard.json') });
  const monitor = kind('PodMonitor')?.['spec'] as {
    selector: { matchLabels: object };
    podMetricsEndpoints: { port: string }[];
  };
  for (const part of ['agent/daemonset', 'controller/deployment']) {
    const [workload] = parseAllDocuments(read(`deploy/base/${part}.yaml`)).map(
      (document) =>
        document.toJS() as {
          spec: { template: { metadata: { labels: object }; spec: { containers: { ports: { name: string }[] }[] } } };
        },
    );
    t.like(workload?.spec.template.metadata.labels, monitor.selector.matchLabels);
    const ports = workload?.spec.template.spec.containers[0]?.ports.map(({ name }) => name);
    t.true(ports?.includes(monitor.podMetricsEndpoints[0]?.port ?? ''));
  }
});
