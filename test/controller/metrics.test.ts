import { readFileSync } from 'node:fs';
import test from 'ava';
import { Registry } from 'prom-client';
import { createMeters } from '../../cluster/service/meters.ts';
import { createMetrics } from '../../controller/metrics.ts';

test('every metric is documented with its type and labels, and every documented one exists', async (t) => {
  const registry = new Registry();
  createMetrics(createMeters(registry), () => 0);
  // What is given out has no labels yet.
  const labelsOf = (metric: object): string[] => (metric as { labelNames: string[] }).labelNames;
  const own = (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('baton_'));
  const exist = own.map(({ name, type }) => {
    const labels = labelsOf(registry.getSingleMetric(name) ?? {});
    return [name, String(type), labels.join()].join(' ');
  });
  const page = readFileSync(new URL('../../docs/reference/metrics.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` *\| (\w+) *\| ([^|]*)\|/gm)];
  const documented = rows.map(([, name, type, labels = '']) =>
    [name, type, [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).join()].join(' '),
  );
  t.true(own.length > 10);
  t.deepEqual(documented.sort(), exist.sort());
});
