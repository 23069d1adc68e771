import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGuardian } from '../../../local/guardian.ts';
import { freePort, temporaryDirectory, until, type Scope } from '../../helpers/processes.ts';

/** A real Prometheus; it and what it scraped go with the test. */
export interface Prometheus {
  /** The answer to a query, now. Rejects with what Prometheus has against it. */
  query: (expression: string) => Promise<Sample[]>;
  /** All alerting rules, and what of them is pending or fires. */
  rules: () => Promise<RuleState[]>;
}

export interface Sample {
  metric: Record<string, string>;
  value: number;
}

export interface RuleState {
  name: string;
  health: 'ok' | 'err' | 'unknown';
  lastError?: string;
  state: 'inactive' | 'pending' | 'firing';
  alerts: { labels: Record<string, string>; annotations: Record<string, string>; state: string }[];
}

/** @param config - of Prometheus, as an object */
export async function startPrometheus(t: Scope, config: object): Promise<Prometheus> {
  const folder = temporaryDirectory(t);
  const port = await freePort();
  // JSON is YAML too.
  writeFileSync(join(folder, 'prometheus.yaml'), JSON.stringify(config), { mode: 0o600 });
  const guardian = startGuardian(folder);
  const logFile = join(folder, 'log');
  const log = openSync(logFile, 'a');
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  if (child.pid !== undefined) guardian.add(child.pid);
  const exited = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
    if (child.pid !== undefined) guardian.remove(child.pid);
    await guardian.dismiss();
  });
  const url = `http://127.0.0.1:${port}`;
  await until('Prometheus answers', () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => {
        if (child.exitCode !== null) throw new Error(readFileSync(logFile, 'utf8'));
        return false;
      },
    ),
  );
  const ask = async <T>(path: string): Promise<T> => {
    const answer = (await (await fetch(`${url}/api/v1/${path}`)).json()) as { error?: string; data: T };
    if (answer.error !== undefined) throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  return {
    async query(expression) {
      interface Vector {
        result: { metric: Record<string, string>; value: [number, string] }[];
      }
      const { result } = await ask<Vector>(`query?query=${encodeURIComponent(expression)}`);
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    async rules() {
      const { groups } = await ask<{ groups: { rules: RuleState[] }[] }>('rules?type=alert');
      return groups.flatMap(({ rules }) => rules);
    },
  };
}
