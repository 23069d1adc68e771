import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import test from 'ava';
import { help, runStatus } from '../../../cli/status.ts';
import { temporaryDirectory } from '../../helpers/processes.ts';

function run(...args: string[]): { status: Promise<number>; stdout: () => string } {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return { status: runStatus(args, { stdout: stream, stderr: stream }), stdout: () => text };
}

test('wrong usage is told in a sentence', async (t) => {
  const { status, stdout } = run('--help');
  t.is(await status, 0);
  t.is(stdout(), help);
  const kubeconfig = join(temporaryDirectory(t), 'config');
  const context = { name: 'one', context: { cluster: 'none', user: 'none' } };
  writeFileSync(kubeconfig, JSON.stringify({ clusters: [], users: [], contexts: [context] }));
  const rows: [string[], RegExp][] = [
    [['a', 'b'], /name one SidecarSet/],
    [['-o', 'yaml'], /-o is "yaml"; it must be json/],
    [['--every', '1'], /Unknown option '--every'/],
    [['--kubeconfig', '/nowhere/at/all'], /cannot read the kubeconfig: .*\/nowhere\/at\/all/],
    [['--kubeconfig', kubeconfig], /no current context: choose one with --context; there are one/],
    [['--kubeconfig', kubeconfig, '--context', 'two'], /has no context two; there are one/],
  ];
  for (const [args, message] of rows) await t.throwsAsync(run(...args).status, { message });
});
