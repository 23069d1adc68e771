import test from 'ava';
import { decide } from '../../../agent/hot-upgrade/decide.ts';
import { folderProblem } from '../../../agent/hot-upgrade/folder.ts';
import type { Container, Pod, Volume } from '../../../api/kubernetes.ts';
import { granted, grantOf, injectedAnnotations, podOf, seen, viewOf } from './scene.ts';

const folder: Partial<Container> = {
  env: [{ name: 'BATON_DIR', value: '/run/baton' }],
  volumeMounts: [{ name: 'baton', mountPath: '/run/baton', subPath: 'mesh' }],
};
const volume: Volume = { name: 'baton', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } };

const pod = (first: Partial<Container>, second: Partial<Container>, volumes: Volume[] = [volume]): Pod => ({
  spec: {
    volumes,
    containers: [
      { name: 'mesh-1', ...first },
      { name: 'mesh-2', ...second },
    ],
  },
});
const problem = (...its: Parameters<typeof pod>): string | undefined => folderProblem(pod(...its), 'mesh');

test('both copies have the folder that the webhook gives, or neither has one', (t) => {
  t.is(problem(folder, folder), undefined);
  t.is(problem({}, {}, []), undefined, 'OpenKruise injected it');
  const own: Partial<Container> = { volumeMounts: [{ name: 'tmp', mountPath: '/run/baton' }] };
  t.is(problem(own, own, [{ name: 'tmp', emptyDir: {} }]), undefined, "the author's own");
  const elsewhere: Partial<Container> = { env: [{ name: 'BATON_DIR', value: '/tmp' }] };
  t.is(problem(elsewhere, elsewhere, []), undefined);
});

test('what another webhook made of it is named', (t) => {
  const other = (change: object): Partial<Container> => ({
    ...folder,
    volumeMounts: [{ name: 'baton', mountPath: '/run/baton', subPath: 'mesh', ...change }],
  });
  t.is(problem(folder, { env: folder.env ?? [] }), 'BATON_DIR of mesh-2 is /run/baton, where nothing is mounted');
  t.is(problem(folder, {}), 'of its copies only mesh-1 has the volume baton at /run/baton');
  const strange = 'mesh-2 has not the folder mesh of the volume baton, to write in, at /run/baton';
  t.is(problem(folder, other({ subPath: 'log' })), strange);
  t.is(problem(folder, other({ readOnly: true })), strange);
  t.is(problem(folder, folder, [{ name: 'baton', hostPath: { path: '/' } }]), 'the volume baton is no emptyDir');
});

test('a pod whose volumes are not as injected is left as it is, and says so', (t) => {
  const containers = ['mesh-1', 'mesh-2'].map((name, index) => ({
    name,
    image: index === 0 ? 'mesh:1' : 'mesh:empty',
  }));
  const grant = grantOf('h2', { mesh: { image: 'mesh:2', emptyImage: 'mesh:empty' } });
  const its = podOf(containers, { ...injectedAnnotations('mesh'), ...granted(grant) });
  t.is(decide(viewOf(its), seen).step.do, 'patch');
  const [first] = its.spec?.containers ?? [];
  Object.assign(first ?? {}, folder);
  t.deepEqual(decide(viewOf(its), seen).step, {
    do: 'nothing',
    because: 's: of its copies only mesh-1 has the volume baton at /run/baton',
    blocked: true,
  });
});
