import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ExecutionContext } from 'ava';
import type { Report } from '../../cli/rehearsal/report.ts';
import { rehearse } from '../../cli/rehearse.ts';

export const fakeSidecar = fileURLToPath(new URL('../local/fake-sidecar.js', import.meta.url));
export const fakeHook = fileURLToPath(new URL('../local/fake-hook.js', import.meta.url));

/** A rehearsal that is over. */
export interface Rehearsed {
  status: number;
  stdout: string;
  stderr: string;
  /** Where the report was asked to be. */
  directory: string;
  /** Checked against the schema that is documented. */
  report: Report;
}

/** Writes the scenario (JSON is YAML) and runs it. */
export async function run(t: ExecutionContext, scenario: unknown, signal?: AbortSignal): Promise<Rehearsed> {
  const directory = mkdtempSync(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 's.yaml');
  writeFileSync(file, typeof scenario === 'string' ? scenario : JSON.stringify(scenario));
  const out = join(directory, 'report');
  const io = { stdout: collect(), stderr: collect(), ...(signal ? { signal } : {}) };
  const status = await rehearse([file, '--report', out], io);
  const texts = { stdout: io.stdout.text(), stderr: io.stderr.text() };
  t.teardown(() => {
    if (!t.passed) t.log(texts.stdout, texts.stderr);
  });
  return {
    status,
    ...texts,
    directory: out,
    get report() {
      const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report;
      t.true(validate(report), JSON.stringify(validate.errors));
      return report;
    },
  };
}

/** A scenario with the fake sidecar and a short, light load. */
export function fakeScenario(changes: Record<string, unknown> = {}, sidecar: Record<string, unknown> = {}): object {
  return {
    sidecar: { name: 'fake', command: [process.execPath, fakeSidecar], ...sidecar },
    load: { connections: 5, rate: 100, before: '300ms', between: '200ms', after: '300ms' },
    ...changes,
  };
}

function collect(): PassThrough & { text: () => string } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return Object.assign(stream, { text: () => Buffer.concat(chunks).toString() });
}

const page = readFileSync(new URL('../../docs/reference/rehearsal.md', import.meta.url), 'utf8');
const [schema, rolloutSchema] = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(
  ([, json]) => JSON.parse(json ?? '') as object,
);
const validate = new Ajv2020({ allowUnionTypes: true }).compile(schema ?? {});
const validateRollout = new Ajv2020({ allowUnionTypes: true }).compile(rolloutSchema ?? {});

/** What the documented schema finds wrong with the report of a rollout. */
export function validRollout(report: unknown): string[] {
  validateRollout(report);
  return (validateRollout.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`);
}
