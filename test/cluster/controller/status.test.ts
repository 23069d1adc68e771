// `baton status` beside a real controller on a real API server: during rollouts, through kubectl, and where it cannot look.
import { chmodSync, readFileSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runStatus } from '../../../cli/status.ts';
import type { SetReport } from '../../../cli/status/report.ts';
import { customResourceDefinitions, sidecarSets } from '../../../cluster/resource.ts';
import { playedTerminal } from '../../cli/status/terminal.ts';
import { freePort, temporaryDirectory, until, type Scope } from '../../helpers/processes.ts';
import { serialClusterTest } from '../cluster-test.ts';
import { ask } from '../control-plane/api.ts';
import { writeKubeconfig } from '../control-plane/kubeconfig.ts';
import { kubectl, kubectlTest } from './kubectl.ts';
import { playAgent } from './played-agent.ts';
import { conditionOf, hotSide, sceneOf, sharedSystem, side, type Scene, type System } from './system.ts';

const start = sharedSystem();

interface Running {
  stdout: () => string;
  stderr: () => string;
  status: Promise<number>;
  interrupt: () => void;
}

/** `baton status` in this process, as an administrator unless told. */
function run(
  system: System,
  args: string[],
  { kubeconfig, terminal }: { kubeconfig?: string; terminal?: Writable } = {},
): Running {
  const texts = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof texts): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        texts[name] += String(chunk);
        done();
      },
    });
  const interrupt = new AbortController();
  const file = kubeconfig ?? system.controlPlane.kubeconfigs['admin'] ?? '';
  const io = { stdout: terminal ?? stream('stdout'), stderr: stream('stderr'), signal: interrupt.signal };
  return {
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    status: runStatus([...args, '--kubeconfig', file], io),
    interrupt: () => interrupt.abort(),
  };
}

async function look(scene: Scene, ...args: string[]): Promise<SetReport> {
  const { stdout, stderr, status } = run(scene.system, [scene.name, '-o', 'json', ...args]);
  await status;
  return JSON.parse(stdout() || stderr()) as SetReport;
}

serialClusterTest('a rollout is followed to its end: on a terminal, in a pipe, as JSON', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { system, name } = scene;
  await scene.createSet({ updateStrategy: { maxUnavailable: 2, paused: true } });
  await scene.makePods(20);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 20);
  t.like(await look(scene), { state: 'Complete', goesOn: false, pods: { matched: 20, updatedReady: 20 } });

  await scene.publish(side('side:2'));
  await scene.untilSet(
    'it says that it is paused',
    (status) => conditionOf(status, 'Progressing')?.reason === 'Paused',
  );
  const paused = await look(scene, '--watch');
  t.like(paused, { state: 'Paused', goesOn: false, phases: { waiting: 20 } });
  t.regex(paused.next.join(), /"paused":false/);

  await scene.publish({ updateStrategy: { paused: false } });
  const { terminal, shown } = playedTerminal({ columns: 100, rows: 24 });
  const frames: string[] = [];
  const onScreen = run(system, [name], {
    terminal: Object.assign(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          terminal.write(chunk, () => {
            frames.push(shown());
            done();
          });
        },
      }),
      { isTTY: true, columns: 100, rows: 24 },
    ),
  });
  const piped = run(system, [name, '--watch']);
  const json = run(system, [name, '--watch', '-o', 'json']);
  t.deepEqual(await Promise.all([onScreen.status, piped.status, json.status]), [0, 0, 0]);

  t.true(frames.some((frame) => /^\[=*> *\] \d+ of 20 updated/m.test(frame) && frame.includes('waiting')));
  t.is(shown().match(/SidecarSet/g)?.length, 1, 'drawn in place');
  t.regex(shown(), /Complete[^]*\[={30}\] 20 of 20 updated, 20 of them ready\n\n {2}updated +20\n/);
  const lines = piped.stdout().split('\n');
  t.regex(lines[0] ?? '', /: Upgrading: \d+ of 20 updated, \d+ of them ready.*, \d+ waiting$/);
  t.true(lines.some((line) => line.startsWith(`SidecarSet ${name}   Complete`)));
  const reports = json
    .stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as SetReport);
  const updated = reports.map(({ pods }) => pods.updatedReady);
  t.deepEqual(
    updated,
    updated.toSorted((a, b) => a - b),
  );
  t.true(updated.length > 3, updated.join());
  t.true(
    reports.some(({ phases }) => (phases.restarting ?? 0) > 0),
    'pods on their way are seen',
  );
  t.like(reports.at(-1), { state: 'Complete', goesOn: false, phases: { updated: 20 } });
});

serialClusterTest('a failed hot upgrade is told with its reason and what to do; then it goes on', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { cluster } = scene.system;
  const bad = new Set(['side:2']);
  playAgent(t, { cluster, namespace: scene.namespace, node: 'node-1', bad });
  await scene.createSet({ ...hotSide('side:1'), updateStrategy: { maxUnavailable: 1 } });
  await scene.makePods(3);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 3);
  await scene.publish(hotSide('side:2'));
  const watching = run(scene.system, [scene.name, '--watch']);
  t.is(await watching.status, 1);
  t.regex(watching.stdout(), /Halted: 0 of 3 updated|Halted +generation/);
  t.regex(watching.stdout(), /p\d +failed +node-1 +ReportedError: .*a bad image/);
  t.regex(watching.stdout(), /Next: see why pods failed \(kubectl describe pod .*baton\.dev\/resume/);
  await scene.publish(hotSide('side:3'));
  t.is(await run(scene.system, [scene.name, '--watch']).status, 0);
  t.like(await look(scene), { state: 'Complete', needsAttention: false, phases: { updated: 3 } });
});

serialClusterTest('Ctrl-C ends it with the last look; a set that is deleted meanwhile is told', async (t) => {
  const scene = await sceneOf(t, await start(t));
  scene.system.outcomes.set('side:slow', 'never ready');
  await scene.createSet();
  await scene.makePods(2);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 2);
  await scene.publish(side('side:slow'));
  const first = run(scene.system, [scene.name, '--watch']);
  const second = run(scene.system, [scene.name, '--watch']);
  await until('both follow', () => [first, second].every(({ stdout }) => stdout().includes('Upgrading: 1 of 2')));
  first.interrupt();
  t.is(await first.status, 0);
  t.regex(first.stdout(), /\nSidecarSet \S+ +Upgrading[^]*restarting +1/);
  await scene.system.cluster.delete(sidecarSets, { name: scene.name });
  t.is(await second.status, 1);
  t.regex(second.stderr(), /has been deleted/);
});

kubectlTest('kubectl baton status is the same program, with kubectl’s kubeconfig', async (t) => {
  const scene = await sceneOf(t, await start(t));
  await scene.createSet();
  await scene.makePods(1);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 1);
  const folder = pluginFolder(t);
  const path = process.env['PATH'] ?? '';
  t.teardown(() => (process.env['PATH'] = path));
  process.env['PATH'] = `${folder}${delimiter}${path}`;
  const all = await kubectl(scene.system, 'baton', 'status');
  t.regex(all, new RegExp(`^SIDECARSET +STATE.*\\n[^]*${scene.name} +Complete +1 +1 +1 +0 +0 +0\\n`));
  const one = await kubectl(scene.system, 'baton', 'status', scene.name, '-o', 'json');
  t.like(JSON.parse(one), { name: scene.name, state: 'Complete' });
  t.regex(await kubectl(scene.system, 'baton', 'status', '--context', 'other'), /has no context other; there are /);
});

/** With what `npm install` makes of the package's `bin`. */
function pluginFolder(t: Scope): string {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  const folder = temporaryDirectory(t);
  const program = join(root, bin['kubectl-baton'] ?? '');
  chmodSync(program, 0o755);
  symlinkSync(program, join(folder, 'kubectl-baton'));
  return folder;
}

serialClusterTest('where it cannot look it says what to do', async (t) => {
  const { system, name } = await sceneOf(t, await start(t));
  const said = async (args: string[], kubeconfig?: string): Promise<string> => {
    const ran = run(system, args, kubeconfig === undefined ? {} : { kubeconfig });
    t.is(await ran.status, 1);
    t.is(ran.stdout(), '');
    return ran.stderr();
  };
  t.regex(await said([name]), /there is no SidecarSet \S+, and no other one either|; there are |is \S+ meant\?/);
  const scene = await sceneOf(t, system);
  await scene.createSet();
  t.regex(await said([`${scene.name}x`]), new RegExp(`is ${scene.name} meant\\?`));
  const folder = temporaryDirectory(t);
  const nobody = join(folder, 'nobody');
  const path = `/api/v1/namespaces/${scene.namespace}/serviceaccounts/default/token`;
  const made = await ask(system.admin, 'POST', path, { spec: {} });
  const { status } = JSON.parse(made) as { status: { token: string } };
  writeKubeconfig(nobody, { ...system.admin, token: status.token });
  t.regex(
    await said([], nobody),
    /this account may not list \w+: ask for get, list and watch .*\[ERR_BATON_FORBIDDEN\]/,
  );

  const away = join(folder, 'away');
  writeKubeconfig(away, { ...system.admin, url: `https://127.0.0.1:${await freePort()}` });
  t.regex(await said([], away), /the cluster does not answer: .*--context.*ECONNREFUSED.*\[ERR_BATON_UNAVAILABLE\]/);
  const expired = join(folder, 'expired');
  writeKubeconfig(expired, { ...system.admin, token: 'expired' });
  t.regex(await said([], expired), /the cluster does not know who asks: log in again.*\[ERR_BATON_FORBIDDEN\]/);
  await system.cluster.delete(customResourceDefinitions, { name: 'sidecarsets.apps.kruise.io' });
  await until('the CRD is gone', async () => {
    const { stderr, status: ended } = run(system, []);
    return (await ended) === 1 && stderr().includes('serves no sidecarsets of apps.kruise.io/v1beta1: install Baton');
  });
});
