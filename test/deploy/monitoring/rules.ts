import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook_url: string };
}

export const rulesFile = new URL('../../../deploy/monitoring/alerts.yaml', import.meta.url).pathname;

export const rules = (parse(readFileSync(rulesFile, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

interface Target {
  expr: string;
  legendFormat: string;
}

/** A panel of the dashboard, as Grafana reads it. */
export interface PanelJson {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
}

const dashboardFile = new URL('../../../deploy/monitoring/dashboard.json', import.meta.url);
export const dashboard = JSON.parse(readFileSync(dashboardFile, 'utf8')) as {
  panels: PanelJson[];
  templating: { list: { name: string; definition?: string }[] };
};

/** The names of the metrics in an expression of PromQL. */
export function metricsIn(expression: string): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, ' ');
  const words = [...bare.matchAll(/\b([a-z_]\w*)\b(?!\s*\()/g)].map(([, word = '']) => word);
  return [...new Set(words.filter((word) => !['and', 'or', 'unless', 'offset', 'by', 'without'].includes(word)))];
}
