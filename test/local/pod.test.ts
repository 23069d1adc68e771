import { existsSync, statSync } from 'node:fs';
import test from 'ava';
import { eventually, isAlive, shell, startTestPod } from './helpers.ts';

const numbers = (lines: string[]) => lines.map(Number).filter((pid) => pid > 0);

test('a container that ends is restarted as a new one, later and later', async (t) => {
  const pod = startTestPod(t, shell('echo life; exit 3'));
  const first = pod.status('c').containerID;
  const status = await eventually('three restarts', () => pod.status('c').restartCount >= 3 && pod.status('c'));
  t.not(status.containerID, first);
  t.is(status.lastExit?.code, 3);
  t.is(status.lastExit?.reason, 'Error');
  t.true(pod.logTail('c', 10).filter((line) => line === 'life').length >= 3);
});

test('a command that cannot be started is a StartError, and is tried again', async (t) => {
  const pod = startTestPod(t, { name: 'bad', command: ['/nonexistent/program'] });
  const exit = await eventually('a restart', () => pod.status('c').restartCount >= 1 && pod.status('c').lastExit);
  t.is(exit.reason, 'StartError');
  t.regex(exit.startError ?? '', /ENOENT/);
  t.regex(pod.logTail('c', 5).join('\n'), /cannot start/);
});

test('a hook runs beside its container; when it fails, the container is killed and restarted', async (t) => {
  const pod = startTestPod(t, shell('echo main; exec sleep 100', 'echo hook; exit 1'));
  const status = await eventually('a restart', () => pod.status('c').restartCount >= 1 && pod.status('c'));
  t.is(status.lastExit?.reason, 'PostStartHookError');
  t.is(status.lastExit?.signal, 'SIGTERM');
  t.true(pod.logTail('c', 20).includes('hook'));
});

test('a hook that succeeds leaves its container alone; one that runs is reported', async (t) => {
  const pod = startTestPod(t, shell('exec sleep 100', 'sleep 0.3'));
  t.is(pod.status('c').hook, 'running');
  await eventually('the hook', () => pod.status('c').hook === 'succeeded');
  t.is(pod.status('c').restartCount, 0);
});

test('annotations reach a process at its start, and a patch of annotation and image is seen as one', async (t) => {
  const image = shell('echo "version $SIDECARSET_VERSION in $BATON_DIR"; exec sleep 100');
  const envFromAnnotations = { SIDECARSET_VERSION: 'version/c' };
  const pod = startTestPod(t, image, { envFromAnnotations, volume: 'd' }, { 'version/c': '1' });
  await eventually('the first life', () => pod.logTail('c', 9).includes(`version 1 in ${pod.root}/d`));
  const { containerID } = pod.status('c');
  pod.patch({ annotations: { 'version/c': '7' } });
  pod.patch({ images: { c: { ...image, name: 'next' } }, annotations: { 'version/c': '8' } });
  await eventually('the second life', () => pod.logTail('c', 9).includes(`version 8 in ${pod.root}/d`));
  t.false(pod.logTail('c', 9).some((line) => line.startsWith('version 7')));
  t.not(pod.status('c').containerID, containerID);
  t.is(pod.status('c').image, 'next');
  t.is(pod.status('c').lastExit?.reason, 'ImageChanged');
  t.is(statSync(pod.volume('d')).mode & 0o777, 0o700);
});

test('stopping is SIGTERM, and SIGKILL for the whole group when the grace period is over', async (t) => {
  const stubborn = shell(`trap '' TERM; sleep 100 & echo $!; echo $$; while :; do wait; sleep 0.05; done`);
  const pod = startTestPod(t, stubborn, { grace: 200 });
  const pids = await eventually('two processes', () => {
    const all = numbers(pod.logTail('c', 9));
    return all.length === 2 && all;
  });
  pod.patch({ images: { c: shell('exec sleep 100') } });
  const exit = await eventually('the change', () => pod.status('c').restartCount === 1 && pod.status('c').lastExit);
  t.is(exit.signal, 'SIGKILL');
  await eventually('all gone', () => pids.every((pid) => !isAlive(pid)));
  t.pass();
});

test('what a process leaves in its group dies with it, as in a container', async (t) => {
  const pod = startTestPod(t, shell('sleep 100 & echo $!; exit 0'));
  const [pid] = await eventually('its child', () => {
    const all = numbers(pod.logTail('c', 9));
    return all.length > 0 && all;
  });
  await eventually('the child gone', () => !isAlive(pid ?? 0));
  t.is(pod.status('c').lastExit?.reason, 'Completed');
});

test('kill ends one life only', async (t) => {
  const pod = startTestPod(t, shell(`trap '' TERM; echo trapped; while :; do sleep 0.05; done`), { grace: 100 });
  await eventually('the trap', () => pod.logTail('c', 1).includes('trapped'));
  pod.kill('c', 0);
  const status = await eventually('a restart', () => pod.status('c').restartCount === 1 && pod.status('c'));
  t.is(status.lastExit?.signal, 'SIGKILL');
  t.is(status.state.type, 'running');
});

test('after stop there is nothing left, also of a crash loop and of a running hook', async (t) => {
  const looping = startTestPod(t, shell('exit 1'));
  const hooked = startTestPod(t, shell('echo $$; exec sleep 100', 'echo $$; exec sleep 100'));
  const pids = await eventually('both processes', () => {
    const all = numbers(hooked.logTail('c', 9));
    return all.length === 2 && all;
  });
  await Promise.all([looping.stop(), hooked.stop(), hooked.stop()]);
  t.is(looping.status('c').state.type, 'terminated');
  t.deepEqual(pids.filter(isAlive), []);
  t.false(existsSync(looping.root));
  t.false(existsSync(hooked.root));
});

test('a patch that names an unknown container changes nothing', (t) => {
  const pod = startTestPod(t, shell('exec sleep 100'), {}, { a: '1' });
  t.throws(() => pod.patch({ annotations: { a: '2' }, images: { d: shell('true') } }), { message: /no container d/ });
  t.is(pod.annotations()['a'], '1');
});
