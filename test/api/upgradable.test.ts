import test from 'ava';
import { readUpgradable, upgradableFields } from '../../api/upgradable.ts';

const fields = (message: string, set: string, upgradable: boolean) => {
  const sets = readUpgradable(message);
  return 'problem' in sets ? sets.problem : upgradableFields(new Map(sets.value).set(set, upgradable));
};

test('the entries of other sets stay, and only false speaks against the pod', (t) => {
  t.deepEqual(fields('', 's', true), { status: 'True', reason: 'AllSidecarsetUpgradable', message: '{"s":true}' });
  t.deepEqual(fields('{"s":false,"o":false}', 's', true), {
    status: 'False',
    reason: 'UpdateImmutableField',
    message: '{"o":false,"s":true}',
  });
  t.like(fields('{"x":"false","y":0,"z":null,"<":true}', 's', true), {
    status: 'True',
    message: '{"\\u003c":true,"s":true,"x":"false","y":0,"z":null}',
  });
});

test('a message that is no JSON object is told', (t) => {
  t.is(fields('[]', 's', true), 'not a JSON object');
});
