import { printTable } from '../table.ts';
import type { Protocol } from './clients.ts';
import { measure, type Conditions } from './index.ts';

/** Measures one protocol after the other, and prints a row for each. */
export async function printProtocols(protocols: readonly Protocol[], conditions: Conditions): Promise<void> {
  const rows: string[][] = [];
  const complaints: string[] = [];
  for (const protocol of protocols) {
    const { pause, p99, movedPerSecond, drainMs, closed, retried, failures, answered } = await measure(
      protocol,
      conditions,
    );
    rows.push([
      protocol,
      pause.before.toFixed(1),
      pause.during.toFixed(1),
      p99.before.toFixed(1),
      (p99.during / p99.before).toFixed(2),
      movedPerSecond?.toFixed(0) ?? '-',
      drainMs.toFixed(0),
      String(closed),
      String(retried),
      String(failures.length),
      String(answered),
    ]);
    for (const why of new Set(failures)) {
      complaints.push(`${protocol}: ${failures.filter((own) => own === why).length} failed: ${why}`);
    }
  }
  const { upgrades, connections, rate, stretchMs } = conditions;
  printTable(
    `${upgrades} upgrades of each protocol: ${connections} clients, ${rate} questions per second, ${stretchMs} ms each from the new process's start`,
    [
      '',
      'pause before, ms',
      'pause, ms',
      'p99 before, ms',
      'p99 during / before',
      'moved / s',
      'drained after, ms',
      'closed',
      'retried',
      'failed',
      'answered',
    ],
    rows,
  );
  for (const complaint of complaints) console.log(`  ${complaint}`);
}
