import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Latency {
  p50: number;
  p99: number;
}

/** What a rehearsal of the HTTP example says of its clients. */
export async function latencyBench(): Promise<{
  before: Latency;
  during: Latency;
  after: Latency;
  failed: number;
  closed: number;
}> {
  const directory = fs.mkdtempSync(join(tmpdir(), 'baton-bench-'));
  try {
    const scenario = join(root, 'bench/latency/rehearse.yaml');
    const child = spawn(process.execPath, [join(root, 'dist/baton.js'), 'rehearse', scenario, '--report', directory], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await once(child, 'exit');
    const report = JSON.parse(fs.readFileSync(join(directory, 'report.json'), 'utf8')) as {
      requests: { failed: number };
      connections: { closed: number };
      latency: { before: Latency; during: Latency; after: Latency };
    };
    return { ...report.latency, failed: report.requests.failed, closed: report.connections.closed };
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
