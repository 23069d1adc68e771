import test from 'ava';
import fc from 'fast-check';
import { versionAltKey, versionKey } from '../../api/pod-contract.ts';
import { injected, nextVersion, pairOf, resetPatch, rollBackPatch, upgradePatch } from '../../local/versions.ts';

const versions = (annotations: Record<string, string>) =>
  ['s-1', 's-2'].map((copy) => [annotations[versionKey(copy)], annotations[versionAltKey(copy)]]);

test('the annotations of an upgrade are those of the state table (sidecarset.md 3.8)', (t) => {
  let pod = injected('s');
  t.deepEqual(versions(pod), [
    ['1', '0'],
    ['0', '1'],
  ]);
  const pair = pairOf('s', pod);
  t.deepEqual(pair, { working: 's-1', other: 's-2', version: '1' });
  pod = { ...pod, ...upgradePatch('s', pair, '100') };
  t.deepEqual(versions(pod), [
    ['1', '100'],
    ['100', '1'],
  ]);
  pod = { ...pod, ...resetPatch(pair) };
  t.deepEqual(versions(pod), [
    ['0', '100'],
    ['100', '0'],
  ]);
  pod = { ...pod, ...upgradePatch('s', pairOf('s', pod), '200') };
  t.deepEqual(versions(pod), [
    ['200', '100'],
    ['100', '200'],
  ]);
});

test('whatever upgrades end as, exactly one copy is first between them and versions only grow', (t) => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 30 }), (outcomes) => {
      let pod = injected('s');
      let highest = '1';
      for (const done of outcomes) {
        const pair = pairOf('s', pod);
        const version = nextVersion(highest);
        highest = version;
        pod = { ...pod, ...upgradePatch('s', pair, version) };
        // During the upgrade the new copy is a successor, and the old one, restarted, would be stale.
        if (BigInt(pod[versionKey(pair.other)] ?? 0) <= BigInt(pod[versionAltKey(pair.other)] ?? 0)) return false;
        if (BigInt(pod[versionKey(pair.working)] ?? 0) >= BigInt(pod[versionAltKey(pair.working)] ?? 0)) return false;
        pod = { ...pod, ...(done ? resetPatch(pair) : rollBackPatch('s', pair)) };
        const after = pairOf('s', pod);
        if (after.working !== (done ? pair.other : pair.working)) return false;
        if (after.version !== (done ? version : pair.version)) return false;
        if (pod[versionKey(after.other)] !== '0' || pod[versionAltKey(after.working)] !== '0') return false;
      }
      return true;
    }),
  );
  t.pass();
});

test('versions beyond 2^53 grow by one', (t) => {
  t.is(nextVersion('9007199254740993'), '9007199254740994');
});
