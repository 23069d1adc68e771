import test from 'ava';
import type { Container, Pod, Volume, VolumeMount } from '../../../api/kubernetes.ts';
import { withAccountMount } from '../../../controller/inject/account-mount.ts';

const mount = {
  name: 'kube-api-access-x2x5v',
  readOnly: true,
  mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
};
const volume: Volume = { name: mount.name, projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } };
const other: VolumeMount = { name: 'data', mountPath: '/data' };

const podOf = (containers: Container[], volumes: Volume[] = [volume], initContainers?: Container[]): Pod => ({
  metadata: { name: 'p' },
  spec: { containers, volumes, ...(initContainers && { initContainers }) },
});
const mountsIn = ({ spec }: Pod): (VolumeMount[] | undefined)[] =>
  [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ volumeMounts }) => volumeMounts);

test('an injected container gets the token as the pod’s own have it, behind its own mounts', (t) => {
  const pod = podOf(
    [{ name: 'app', volumeMounts: [mount] }, { name: 'side', volumeMounts: [other] }, { name: 'bare' }],
    [volume],
    [{ name: 'native' }],
  );
  t.deepEqual(mountsIn(withAccountMount(pod)), [[mount], [mount], [other, mount], [mount]]);
});

test('what has something at the path keeps it', (t) => {
  const own = { name: 'mine', mountPath: mount.mountPath };
  const pod = podOf([
    { name: 'app', volumeMounts: [mount] },
    { name: 'side', volumeMounts: [own] },
  ]);
  t.is(withAccountMount(pod), pod);
});

test('without the API server’s volume nothing is added: no token, or one that the author mounts himself', (t) => {
  const own = { name: 'mine', mountPath: mount.mountPath };
  const pods = [
    podOf([{ name: 'app' }, { name: 'side' }], []),
    podOf([{ name: 'app', volumeMounts: [own] }, { name: 'side' }], [{ ...volume, name: 'mine' }]),
    podOf([{ name: 'app', volumeMounts: [mount] }, { name: 'side' }], [{ name: mount.name, emptyDir: {} }]),
    podOf([{ name: 'app', volumeMounts: [own] }, { name: 'side' }]),
    podOf([{ name: 'app' }], [{} as Volume]),
  ];
  for (const pod of pods) t.is(withAccountMount(pod), pod);
});
