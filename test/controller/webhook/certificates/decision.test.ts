import test from 'ava';
import { decide, withAuthority, type Material } from '../../../../controller/webhook/certificates/decision.ts';
import {
  AUTHORITY_LIFE,
  issueAuthority,
  issueServing,
  SERVING_LIFE,
} from '../../../../controller/webhook/certificates/issue.ts';
import { certificatesIn } from '../../../../controller/webhook/certificates/key-pair.ts';

const BEGIN = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const names = ['baton-webhook.baton-system.svc', '127.0.0.1'];

async function materialOf(now = BEGIN): Promise<Material> {
  const authority = await issueAuthority(now);
  return {
    authority,
    serving: await issueServing(authority, names, now),
    bundle: withAuthority(undefined, authority, now),
  };
}
const at = (material: Partial<Material> | undefined, now: number, trustedFor: number | undefined = DAY) =>
  decide({ material, trustedFor, names, now });

test('what is fresh stays, published or not', async (t) => {
  const material = await materialOf();
  t.deepEqual(at(material, BEGIN), { action: 'none' });
  t.deepEqual(decide({ material, trustedFor: undefined, names, now: BEGIN }), { action: 'none' });
  t.deepEqual(at(material, BEGIN + SERVING_LIFE / 2), { action: 'none' });
});

test('the certificate is renewed in its last third, and where it lacks a name', async (t) => {
  const material = await materialOf();
  t.like(at(material, BEGIN + SERVING_LIFE * 0.7), { action: 'renewServing' });
  const renamed = decide({ material, trustedFor: undefined, names: [...names, 'other.svc'], now: BEGIN });
  t.deepEqual(renamed, { action: 'renewServing', why: 'it is not for other.svc' });
  t.like(decide({ material, trustedFor: undefined, names: ['10.0.0.1'], now: BEGIN }), { action: 'renewServing' });
});

test('a new authority signs when it has been trusted for a while, not before, and the old one is pruned at its end', async (t) => {
  const material = await materialOf();
  const late = BEGIN + AUTHORITY_LIFE * 0.8;
  const served = { ...material, serving: await issueServing(material.authority, names, late) };
  t.like(at(served, late), { action: 'renewAuthority' });
  const authority = await issueAuthority(late);
  const rotating = { ...served, authority, bundle: withAuthority(served.bundle, authority, late) };
  t.is(certificatesIn(rotating.bundle).length, 2);
  for (const trustedFor of [undefined, 0, 59_000]) {
    t.deepEqual(decide({ material: rotating, trustedFor, names, now: late }), { action: 'none' });
  }
  t.like(decide({ material: rotating, trustedFor: 60_000, names, now: late }), { action: 'renewServing' });
  const rotated = { ...rotating, serving: await issueServing(authority, names, late) };
  t.deepEqual(at(rotated, late), { action: 'none' });
  const end = BEGIN + AUTHORITY_LIFE + DAY;
  const again = { ...rotated, serving: await issueServing(authority, names, end) };
  t.deepEqual(at(again, end), { action: 'prune', bundle: authority.certificate });
});

test('a certificate that has expired is no reason to wait', async (t) => {
  const material = await materialOf();
  const authority = await issueAuthority(BEGIN + SERVING_LIFE);
  const stuck = { ...material, authority, bundle: withAuthority(material.bundle, authority, BEGIN) };
  const now = BEGIN + SERVING_LIFE + DAY;
  t.like(decide({ material: stuck, trustedFor: undefined, names, now }), { action: 'renewServing' });
});

test('what cannot be served is begun anew, whatever is in the Secret', async (t) => {
  const material = await materialOf();
  const other = await materialOf();
  const broken: (Partial<Material> | undefined)[] = [
    undefined,
    {},
    { ...material, bundle: '' },
    { ...material, bundle: other.bundle },
    { ...material, authority: other.authority },
    { ...material, authority: { ...material.authority, key: other.authority.key } },
    { ...material, authority: { certificate: 'x', key: 'y' } },
    { ...material, serving: other.serving },
    { ...material, serving: { ...material.serving, key: '' } },
    { ...material, serving: { certificate: '', key: material.serving.key } },
  ];
  for (const each of broken) t.like(at(each, BEGIN), { action: 'begin' }, String(broken.indexOf(each)));
  t.like(at(material, BEGIN + AUTHORITY_LIFE + DAY), { action: 'begin', why: 'the authority has expired' });
});
