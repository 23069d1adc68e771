import test from 'ava';
import fc from 'fast-check';
import { convert, toAlpha, toBeta } from '../../api/conversion.ts';
import { ApiError } from '../../api/error.ts';
import { hashesOf } from '../../api/hash.ts';
import { sidecarSets } from '../helpers/sidecar-sets.ts';
import { oracle, plain, type Case } from '../oracle/corpus.ts';
import { q26, withoutUnknownFields } from '../oracle/excuses/unknown-fields.ts';

type Recorded = Case & { in: { apiVersion: string }; to: string; out: { object?: object }; back?: object };

for (const { id, desc, in: input, to, out, back } of oracle<Recorded>('conversion')) {
  test(`${id} ${desc} to ${to}`, (t) => {
    const converted = (): object => convert(input, `apps.kruise.io/${to}`);
    if (out.object === undefined) {
      t.throws(converted, { instanceOf: ApiError });
      return;
    }
    const compare = (object: object, expected: unknown): void => {
      t.deepEqual(plain(q26(object) ? withoutUnknownFields(object) : object), plain(expected));
    };
    compare(converted(), out.object);
    if (back !== undefined) compare(convert(converted(), input.apiVersion), back);
  });
}

const alpha = (spec: object, metadata: object = {}): object => ({
  apiVersion: 'apps.kruise.io/v1alpha1',
  kind: 'SidecarSet',
  metadata: { name: 's', ...metadata },
  spec,
});

test('Q26: unknown fields are converted, those that are fields of the other version are not', (t) => {
  const containers = [{ name: 'c', lifecycle: { stopSignal: 'SIGUSR1' } }];
  const beta = toBeta(alpha({ containers, customVersion: 'v2' }));
  t.like(beta.spec.containers?.[0], { lifecycle: { stopSignal: 'SIGUSR1' } });
  t.false('customVersion' in beta.spec);
  t.false('namespace' in toAlpha({ ...beta, spec: { namespace: 'n' } }).spec);
});

test('an object of the wanted version is brought into form only', (t) => {
  const beta = toBeta(alpha({ namespace: 'n' }, { labels: { 'apps.kruise.io/sidecarset-custom-version': 'v1' } }));
  t.deepEqual(toBeta(beta), beta);
  t.deepEqual(beta.spec, {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'n' } },
    customVersion: 'v1',
  });
  t.deepEqual(beta.metadata, { name: 's' });
  t.deepEqual(toAlpha(toAlpha(beta)), toAlpha(beta));
});

test('what is of no known version is refused', (t) => {
  t.throws(() => toBeta({ apiVersion: 'apps.kruise.io/v1', spec: {} }), {
    code: 'ERR_BATON_API_VERSION',
    message: /apiVersion is apps\.kruise\.io\/v1; it must be/,
  });
  t.throws(() => toAlpha({ spec: {} }), { code: 'ERR_BATON_API_VERSION' });
  t.throws(() => convert(alpha({}), 'apps.kruise.io/v1alpha1'), { code: 'ERR_BATON_API_VERSION' });
});

test('property: there and back gives the same set, with the same hashes', (t) => {
  fc.assert(
    fc.property(sidecarSets, (set) => {
      const there = toAlpha(set);
      t.deepEqual(toBeta(there), toBeta(set));
      t.deepEqual(hashesOf(there), hashesOf(set));
    }),
  );
});
