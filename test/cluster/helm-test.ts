import type { ExecutionContext } from 'ava';
import test from 'ava';
import { getHelm, helmHere } from './binaries/helm.ts';
import { startProgress } from './binaries/progress.ts';

const source = await helmHere();
const isRequired = process.env['BATON_CLUSTER'] === 'required';
if ('reason' in source && !isRequired) console.log(`# skipped: tests of the chart, because ${source.reason}`);

/** Whether one can be had; where a cluster is required, it is too. */
export const hasHelm = !('reason' in source) || isRequired;
/** `test`, or skipped where no Helm can be had; with `BATON_CLUSTER=required` such a test fails. */
export const helmTest = hasHelm ? test : test.skip;

/** To build it on a small machine. */
const GET_TIMEOUT_MS = 20 * 60_000;

/** The program; a machine's first test builds it. */
export async function helmProgram(t: ExecutionContext): Promise<string> {
  if ('go' in source) t.timeout(GET_TIMEOUT_MS);
  return getHelm(
    source,
    startProgress((line) => process.stderr.write(line)),
  );
}
