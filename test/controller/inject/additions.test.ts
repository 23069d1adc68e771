import test from 'ava';
import type { Pod } from '../../../api/kubernetes.ts';
import { cold, containerOf, hot, injectInto, messagesOf, podOf, setOf } from './helpers.ts';

const volume = { name: 'baton', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } };
const mount = (sidecar: string) => ({ name: 'baton', mountPath: '/run/baton', subPath: sidecar });
const variable = { name: 'BATON_DIR', value: '/run/baton' };

const mountsOf = (pod: Pod, name: string) => containerOf(pod, name)?.volumeMounts ?? [];
const directoryOf = (pod: Pod, name: string) => containerOf(pod, name)?.env?.filter(({ name }) => name === 'BATON_DIR');

test('every injected pod is labelled, and no other', (t) => {
  t.is(injectInto(podOf(), [setOf('s', { containers: [cold] })]).pod.metadata?.labels?.['baton.dev/injected'], 'true');
  const pod = podOf();
  const untouched = injectInto(pod, [setOf('s', { selector: { matchLabels: { app: 'other' } }, containers: [cold] })]);
  t.is(untouched.pod, pod);
  t.deepEqual(untouched.patch, []);
});

test('the two copies of a hot sidecar, and nothing else, get a folder of their own in a small volume in memory', (t) => {
  const native = { ...hot, name: 'dns', restartPolicy: 'Always' };
  const { pod } = injectInto(podOf(), [setOf('s', { containers: [hot, cold], initContainers: [native] })]);
  t.deepEqual(pod.spec?.volumes, [volume]);
  for (const sidecar of ['mesh', 'dns']) {
    for (const copy of [`${sidecar}-1`, `${sidecar}-2`]) {
      t.deepEqual(mountsOf(pod, copy), [mount(sidecar)]);
      t.deepEqual(directoryOf(pod, copy), [variable]);
    }
  }
  for (const other of ['log', 'app']) {
    t.deepEqual(mountsOf(pod, other), []);
    t.deepEqual(directoryOf(pod, other) ?? [], []);
  }
});

test('a pod without hot sidecars gets no volume', (t) => {
  t.is(injectInto(podOf(), [setOf('s', { containers: [cold] })]).pod.spec?.volumes, undefined);
});

test('BATON_DIR stays what the author made it', (t) => {
  const own = { name: 'BATON_DIR', value: '/mine' };
  const { pod } = injectInto(podOf(), [setOf('s', { containers: [{ ...hot, env: [own] }] })]);
  t.deepEqual(directoryOf(pod, 'mesh-1'), [own]);
  t.deepEqual(mountsOf(pod, 'mesh-2'), [mount('mesh')]);
});

test('a pod with another volume of that name keeps it, and its sidecars meet in /dev/shm', (t) => {
  const own = { name: 'baton', configMap: { name: 'c' } };
  const injected = injectInto(podOf({ volumes: [own] }), [setOf('s', { containers: [hot] })]);
  t.deepEqual(injected.pod.spec?.volumes, [own]);
  t.deepEqual(mountsOf(injected.pod, 'mesh-1'), []);
  t.deepEqual(directoryOf(injected.pod, 'mesh-1'), []);
  t.regex(messagesOf(injected).join(), /another volume is named baton.*\/dev\/shm/);
});

test('so does a set that brings a volume of that name', (t) => {
  const own = { name: 'baton', emptyDir: {} };
  const sidecar = { ...hot, volumeMounts: [{ name: 'baton', mountPath: '/x' }] };
  const injected = injectInto(podOf(), [setOf('s', { containers: [sidecar], volumes: [own] })]);
  t.deepEqual(injected.pod.spec?.volumes, [own]);
  t.deepEqual(mountsOf(injected.pod, 'mesh-1'), sidecar.volumeMounts);
});

test('a volume that is the same already is used', (t) => {
  const injected = injectInto(podOf({ volumes: [volume] }), [setOf('s', { containers: [hot] })]);
  t.deepEqual(injected.pod.spec?.volumes, [volume]);
  t.deepEqual(mountsOf(injected.pod, 'mesh-1'), [mount('mesh')]);
});

test('a sidecar with something else at /run/baton keeps it, and the pod gets no volume that nothing mounts', (t) => {
  const own = [{ name: 'v', mountPath: '/run/baton/' }];
  const sets = [setOf('s', { containers: [{ ...hot, volumeMounts: own }], volumes: [{ name: 'v', emptyDir: {} }] })];
  const injected = injectInto(podOf(), sets);
  t.deepEqual(mountsOf(injected.pod, 'mesh-1'), own);
  t.deepEqual(directoryOf(injected.pod, 'mesh-1'), []);
  t.deepEqual(injected.pod.spec?.volumes, [{ name: 'v', emptyDir: {} }]);
  t.regex(messagesOf(injected).join(), /container mesh: something else is mounted at \/run\/baton/);
});

test('a pod is created without the grant and upgrade of the pod that it was copied from', (t) => {
  const annotations = { 'baton.dev/grant': '{}', 'baton.dev/upgrade': '{}', mine: 'x' };
  const { pod, patch } = injectInto(podOf({}, { annotations }), []);
  t.deepEqual(pod.metadata?.annotations, { mine: 'x' });
  t.deepEqual(patch, [
    { op: 'remove', path: '/metadata/annotations/baton.dev~1grant' },
    { op: 'remove', path: '/metadata/annotations/baton.dev~1upgrade' },
  ]);
});

test('network probes and preStop of a hot sidecar are warned of, exec probes and cold sidecars are not', (t) => {
  const traps = {
    livenessProbe: { httpGet: { port: 80 } },
    readinessProbe: { tcpSocket: { port: 80 } },
    startupProbe: { exec: { command: ['baton', 'health'] } },
    lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } },
  };
  const warned = messagesOf(injectInto(podOf(), [setOf('s', { containers: [{ ...hot, ...traps }] })]));
  t.is(warned.length, 3);
  t.regex(warned.join('\n'), /mesh: livenessProbe.*\n.*readinessProbe.*\n.*preStop/);
  t.deepEqual(messagesOf(injectInto(podOf(), [setOf('s', { containers: [{ ...cold, ...traps }] })])), []);
});

test('the patch names what is added, and nothing else', (t) => {
  const pod = podOf({ containers: [{ name: 'app' }], volumes: [{ name: 'v', emptyDir: {} }] });
  const { patch } = injectInto(pod, [setOf('s', { containers: [hot, cold] })]);
  t.deepEqual(patch.map(({ op, path }) => `${op} ${path}`).sort(), [
    'add /metadata/annotations',
    'add /metadata/labels/baton.dev~1injected',
    'add /spec/containers/0',
    'add /spec/containers/1',
    'add /spec/containers/3',
    'add /spec/volumes/1',
  ]);
});
