import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { parse, stringify } from 'yaml';
import { dashboard } from './dashboard/dashboard.ts';

/*
 * `npm run generate`: writes the dashboard as Grafana imports it, and the alerts as the Prometheus Operator takes them. A test
 * compares them with what this would write.
 */

const here = (path: string): string => new URL(path, import.meta.url).pathname;

/** The files that are generated, by path, with the text that they must have. */
export async function generated(): Promise<Map<string, string>> {
  const rule = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { namespace: 'baton-system', name: 'baton', labels: { 'app.kubernetes.io/name': 'baton' } },
    spec: parse(readFileSync(here('alerts.yaml'), 'utf8')) as object,
  };
  const files: [path: string, text: string][] = [
    [here('dashboard.json'), JSON.stringify(dashboard)],
    [
      here('prometheus-rule.yaml'),
      `# Generated from deploy/monitoring/alerts.yaml by \`npm run generate\`; do not edit.\n${stringify(rule, { blockQuote: 'literal', lineWidth: 0 })}`,
    ],
  ];
  const pretty = await Promise.all(
    files.map(async ([path, text]) => {
      const options = { ...(await resolveConfig(path)), filepath: path };
      return [path, await format(text, options)] as const;
    }),
  );
  return new Map(pretty);
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, text] of await generated()) writeFileSync(path, text);
}
