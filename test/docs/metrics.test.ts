import { readFileSync } from 'node:fs';
import test from 'ava';
import { Registry } from 'prom-client';
import { createMetrics as createAgentMetrics } from '../../agent/metrics.ts';
import { createMeters, type Meters } from '../../cluster/service/meters.ts';
import { createMetrics as createControllerMetrics } from '../../controller/metrics.ts';

const page = readFileSync(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');
const sections = new Map(page.split(/^## /m).map((section) => [section.split('\n')[0] ?? '', section]));

/** `name type labels` of the rows below a heading. */
function documented(heading: string): string[] {
  const rows = [...(sections.get(heading) ?? '').matchAll(/^\| `(\w+)` *\| (\w+) *\| ([^|]*)\|/gm)];
  return rows.map(([, name, type, labels = '']) =>
    [name, type, [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).join()].join(' '),
  );
}

const services: Record<string, (meters: Meters) => unknown> = {
  controller: (meters) => createControllerMetrics(meters, () => 0),
  agent: (meters) => createAgentMetrics(meters, { inProgress: () => 0, waiting: () => 0, pods: () => 0 }),
};

for (const [service, create] of Object.entries(services)) {
  test(`every metric of the ${service} is documented with its type and labels, and every documented one exists`, async (t) => {
    const registry = new Registry();
    create(createMeters(registry));
    // What is given out has no labels yet.
    const labelsOf = (metric: object): string[] => (metric as { labelNames: string[] }).labelNames;
    const own = (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('baton_'));
    const exist = own.map(({ name, type }) => {
      const labels = labelsOf(registry.getSingleMetric(name) ?? {});
      return [name, String(type), labels.join()].join(' ');
    });
    t.true(own.length > 10);
    const rows = [...documented('Of both services'), ...documented(`Of \`baton ${service}\``)];
    t.deepEqual(rows.sort(), exist.sort());
    t.false(
      exist.some((metric) => /\bpod\b/.test(metric.split(' ')[2] ?? '')),
      'no label has as many values as pods',
    );
  });
}
