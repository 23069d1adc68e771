import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { run } from '../../cluster/node/run.ts';
import { temporaryDirectory } from '../../helpers/processes.ts';
import { alertCases, type AlertCase, type Labels, type Series } from './alert-cases.ts';
import { prometheusTest } from './prometheus.ts';
import { rules, rulesFile, type Rule } from './rules.ts';

test('every alert has a case in which it fires and one in which it does not', (t) => {
  t.deepEqual(Object.keys(alertCases).sort(), rules.map(({ alert }) => alert).sort());
  for (const [alert, cases] of Object.entries(alertCases)) {
    t.true(cases.some(({ fires }) => fires) && cases.some(({ fires }) => !fires), alert);
  }
});

test('what an alert says names only labels that it has', (t) => {
  for (const { alert, annotations } of rules) {
    const named = [
      ...Object.values(annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, label = '']) => label);
    for (const { fires } of alertCases[alert] ?? []) {
      if (fires) for (const label of named) t.true(label in fires, `${alert}: ${label}`);
    }
  }
});

prometheusTest('promtool finds nothing wrong with the rules', async (t) => {
  t.regex(
    await run('promtool', 'check', 'rules', '--lint-fatal', rulesFile),
    new RegExp(`${rules.length} rules found`),
  );
});

for (const rule of rules) {
  const cases = alertCases[rule.alert] ?? [];
  prometheusTest(`${rule.alert} fires: ${titlesOf(cases, true)}; and not: ${titlesOf(cases, false)}`, async (t) => {
    for (const one of cases) {
      const file = join(temporaryDirectory(t), 'case.yaml');
      writeFileSync(file, JSON.stringify(promtoolTest(rule, one)));
      await t.notThrowsAsync(run('promtool', 'test', 'rules', file), one.title);
    }
  });
}

function titlesOf(cases: readonly AlertCase[], firing: boolean): string {
  return cases.flatMap(({ title, fires }) => ((fires !== undefined) === firing ? title : [])).join(', ');
}

const printed = (metric: string, labels: Labels): string =>
  `${metric}{${Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join()}}`;

/** JSON is YAML too. */
function promtoolTest({ alert, labels }: Rule, { series, at, fires }: AlertCase): object {
  const shown = printed('ALERTS', { alertname: alert, alertstate: 'firing' });
  const firing = { alertname: alert, alertstate: 'firing', ...labels };
  return {
    rule_files: [rulesFile],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: series.map(({ metric, labels, values }: Series) => ({ series: printed(metric, labels), values })),
        promql_expr_test: [
          {
            // What is not to fire may not have fired at any time before either.
            expr: fires ? shown : `count_over_time(${shown}[${at}m])`,
            eval_time: `${at}m`,
            exp_samples: fires ? [{ labels: printed('ALERTS', { ...firing, ...fires }), value: 1 }] : [],
          },
        ],
      },
    ],
  };
}
