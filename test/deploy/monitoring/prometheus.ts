import { spawnSync } from 'node:child_process';
import test from 'ava';

const isThere = ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0);
/** Where it is required and missing, the tests fail at their first call of it. */
export const isTried = isThere || process.env['BATON_PROMETHEUS'] === 'required';
if (!isTried)
  console.log('# skipped: alerts and dashboard on a real Prometheus, because the Debian package prometheus is missing');

/** `test`, or skipped where there is no Prometheus; with `BATON_PROMETHEUS=required` such a test fails. */
export const prometheusTest = isTried ? test : test.skip;
