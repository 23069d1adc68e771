import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { encodeForHash, hashesOf, safeEncode } from '../../api/hash.ts';
import type { SidecarContainer, SidecarSet } from '../../api/sidecar-set.ts';
import { oracle, vectors, type Case } from '../oracle/corpus.ts';

type Recorded = Case & { object: SidecarSet; out: { encoded: string; hash: string; hashWithoutImage: string } };

for (const { id, desc, object, out } of oracle<Recorded>('hash')) {
  test(`${id} ${desc}`, (t) => {
    t.is(encodeForHash(object), out.encoded);
    t.deepEqual(hashesOf(object), { hash: out.hash, hashWithoutImage: out.hashWithoutImage });
  });
}

for (const [index, { canonicalJson, expected }] of (
  vectors('hash') as { canonicalJson: string; expected: string }[]
).entries()) {
  test(`vector ${index}: the hash of what is encoded`, (t) => {
    t.is(safeEncode(createHash('sha256').update(canonicalJson).digest('hex')), expected);
    t.is(encodeForHash({ metadata: {}, spec: JSON.parse(canonicalJson) as SidecarSet['spec'] }), canonicalJson);
  });
}

const setOf = (container: object): SidecarSet => ({
  metadata: { name: 's' },
  spec: { containers: [{ name: 'c', image: 'i', ...container }] },
});

test("Q26: unknown fields and Baton's own are in no hash", (t) => {
  const plain = encodeForHash(setOf({}));
  t.is(encodeForHash(setOf({ lifecycle: undefined, futureField: { a: 1 } })), plain);
  t.is(
    encodeForHash(setOf({ upgradeStrategy: { migrationTimeoutSeconds: 5, rollback: 'Never', soakSeconds: 0 } })),
    plain,
  );
});

test('the keys of a map are sorted by their bytes, digits and all', (t) => {
  const limits = { b: '1', '10': '1', '9': '1', '\u{1f600}': '1', '\uffee': '1', __proto__x: '1' };
  t.true(
    encodeForHash(setOf({ resources: { limits } })).includes(
      '"limits":{"10":"1","9":"1","__proto__x":"1","b":"1","\uffee":"1","\u{1f600}":"1"}',
    ),
  );
});

test('a field of the wrong type is refused with its path', (t) => {
  t.throws(() => encodeForHash(setOf({ ports: [{ containerPort: '80' }] })), {
    code: 'ERR_BATON_FIELD',
    message: 'spec.containers[0].ports[0].containerPort: must be an integer of 32 bits, not "80"',
  });
});

const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, field]) => [key, shuffled(field)]),
  );
};

const containers: fc.Arbitrary<SidecarContainer> = fc.record(
  {
    name: fc.string(),
    image: fc.string(),
    args: fc.array(fc.string()),
    tty: fc.boolean(),
    env: fc.array(fc.record({ name: fc.string(), value: fc.string() })),
    resources: fc.record({ limits: fc.dictionary(fc.string(), fc.constantFrom('1', '100m', '1Gi')) }),
    securityContext: fc.record({ runAsUser: fc.nat() }, { requiredKeys: [] }),
  },
  { requiredKeys: ['name'] },
);

test('property: neither the order of keys nor what is not hashed changes a hash', (t) => {
  fc.assert(
    fc.property(fc.array(containers), fc.string(), fc.nat(), (list, text, number) => {
      const set: SidecarSet = { metadata: { name: 's' }, spec: { containers: list } };
      const other: SidecarSet = {
        metadata: { name: text },
        spec: {
          volumes: [{ name: text }],
          revisionHistoryLimit: number,
          containers: list.map((container) => ({
            ...(shuffled(container) as SidecarContainer),
            upgradeStrategy: { soakSeconds: number },
          })),
        },
      };
      t.deepEqual(hashesOf(other), hashesOf(set));
    }),
  );
});

test('property: images change the one hash only', (t) => {
  fc.assert(
    fc.property(containers, fc.string({ minLength: 1 }), (container, image) => {
      const hashes = (changed: SidecarContainer): ReturnType<typeof hashesOf> => hashesOf(setOf(changed));
      const [before, after] = [hashes({ ...container, image }), hashes({ ...container, image: `${image}2` })];
      t.is(after.hashWithoutImage, before.hashWithoutImage);
      t.not(after.hash, before.hash);
    }),
  );
});
