import type { RolloutReport } from './report.ts';

export function formatRolloutPage(report: RolloutReport): string {
  return JSON.stringify(report);
}
