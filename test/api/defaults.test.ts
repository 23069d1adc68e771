import test from 'ava';
import fc from 'fast-check';
import { withDefaults } from '../../api/defaults.ts';
import { hashesOf } from '../../api/hash.ts';
import { parseJson } from '../../api/json.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { sidecarSets } from '../helpers/sidecar-sets.ts';
import { oracle, plain, type Case } from '../oracle/corpus.ts';
import { q26, withoutUnknownFields } from '../oracle/excuses/unknown-fields.ts';

type Recorded = Case & { in: object; out: { object?: object }; notIdempotent?: boolean; again?: object };

for (const { id, desc, in: input, out, again } of oracle<Recorded>('defaults')) {
  test(`${id} ${desc}`, (t) => {
    if (out.object === undefined) {
      t.throws(() => withDefaults(input), { code: 'ERR_BATON_FIELD' });
      return;
    }
    const result = withDefaults(input);
    t.deepEqual(plain(q26(input) ? withoutUnknownFields(result) : result), plain(out.object));
    if (again === undefined) t.deepEqual(withDefaults(result), result, 'again');
    else t.deepEqual(plain(withDefaults(result)), plain(again), 'again');
  });
}

const setOf = (spec: object): SidecarSet => ({ apiVersion: 'apps.kruise.io/v1beta1', metadata: { name: 's' }, spec });
const containerOf = (fields: object): object =>
  withDefaults(setOf({ containers: [{ name: 'c', ...fields }] })).spec.containers?.[0] ?? {};

test('Q26: unknown fields are kept', (t) => {
  const set = withDefaults(
    setOf({ containers: [{ name: 'c', lifecycle: { stopSignal: 'SIGUSR1' }, newer: [{}] }], more: 1 }),
  );
  t.like(set.spec, { more: 1, containers: [{ lifecycle: { stopSignal: 'SIGUSR1' }, newer: [{}] }] });
});

test('Q26: a volume of an unknown kind does not become an empty directory as well', (t) => {
  const { volumes } = withDefaults(setOf({ volumes: [{ name: 'v', newer: { size: 1 } }, { name: 'w' }] })).spec;
  t.deepEqual(volumes as unknown, [
    { name: 'v', newer: { size: 1 } },
    { name: 'w', emptyDir: {} },
  ]);
});

test('surprise 4: a sourceContainerNameFrom without fieldRef is refused with its path', (t) => {
  const set = setOf({ initContainers: [{ name: 'i', transferEnv: [{}, { sourceContainerNameFrom: {} }] }] });
  t.throws(() => withDefaults(set), {
    code: 'ERR_BATON_FIELD',
    message: 'spec.initContainers[0].transferEnv[1].sourceContainerNameFrom.fieldRef: must be set',
  });
});

test('surprise 2: an empty list of containers is hashed as such once, then as none', (t) => {
  const first = withDefaults(setOf({ containers: [] }));
  const hash = (set: SidecarSet): string | undefined => set.metadata.annotations?.['kruise.io/sidecarset-hash'];
  t.is(hash(first), hashesOf(setOf({ containers: [] })).hash);
  t.is(hash(withDefaults(first)), hashesOf(setOf({})).hash);
});

test("Baton's own fields are kept, and get no default that would be stored", (t) => {
  t.like(containerOf({ upgradeStrategy: { upgradeType: 'HotUpgrade', soakSeconds: 0, rollback: 'Never' } }), {
    upgradeStrategy: { upgradeType: 'HotUpgrade', soakSeconds: 0, rollback: 'Never' },
  });
  t.deepEqual(withDefaults(setOf({ updateStrategy: { failureThreshold: '10%' } })).spec.updateStrategy, {
    type: 'RollingUpdate',
    partition: 0,
    maxUnavailable: 1,
    failureThreshold: '10%',
  });
});

test('surprise 3: the pull policy of an image whose tag cannot be read', (t) => {
  const policy = (image: string | undefined): unknown =>
    (containerOf({ image }) as { imagePullPolicy?: string }).imagePullPolicy;
  t.is(policy(undefined), 'IfNotPresent');
  t.is(policy('NGINX'), 'IfNotPresent');
  t.is(policy('x:'), 'IfNotPresent');
  t.is(policy('a'.repeat(64)), 'IfNotPresent');
  t.is(policy(`nginx@sha256:${'0'.repeat(64)}`), 'IfNotPresent');
  t.is(policy(`nginx:latest@sha256:${'0'.repeat(64)}`), 'Always');
  t.is(policy('nginx'), 'Always');
});

test('numbers beyond 2^53 survive', (t) => {
  const text = '{"spec":{"containers":[{"name":"c","securityContext":{"runAsUser":9007199254740993}}]}}';
  const [container] = withDefaults(parseJson(text) as object).spec.containers ?? [];
  t.is(String(container?.securityContext?.runAsUser), '9007199254740993');
});

test('property: defaulting again changes nothing, and changes nothing of its input', (t) => {
  fc.assert(
    fc.property(sidecarSets, (set) => {
      const before = structuredClone(set);
      const result = withDefaults(set);
      t.deepEqual(set, before);
      t.deepEqual(withDefaults(result), result);
    }),
  );
});
