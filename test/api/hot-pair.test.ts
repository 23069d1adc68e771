import test from 'ava';
import type { PairFacts } from '../../api/hot-pair.ts';
import {
  isHalfUpgraded,
  resetAnnotations,
  rolesOf,
  rolledBackAnnotations,
  switchedAnnotations,
  targetOf,
} from '../../api/hot-pair.ts';
import type { Annotations } from '../../api/pod-annotations.ts';
import { versionAltKey, versionKey, workingKey } from '../../api/pod-contract.ts';

function annotated(
  working: string | undefined,
  versions: [string?, string?],
  alts: [string?, string?] = [],
): Annotations {
  const all: Record<string, string | undefined> = {
    [workingKey]: working,
    [versionKey('m-1')]: versions[0],
    [versionKey('m-2')]: versions[1],
    [versionAltKey('m-1')]: alts[0],
    [versionAltKey('m-2')]: alts[1],
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function pair(first: string | undefined, second: string | undefined, annotations: Annotations = {}): PairFacts {
  return {
    sidecar: 'm',
    emptyImage: 'E',
    annotations,
    image: (name) => (name === 'm-1' ? first : name === 'm-2' ? second : undefined),
  };
}

const working = (facts: PairFacts) => rolesOf(facts)?.working;

test('the working annotation says which copy serves', (t) => {
  t.is(working(pair('v1', 'v2', annotated('{"m":"m-2"}', ['1', '200']))), 'm-2');
  t.is(working(pair('v1', 'E', annotated('{"m":"m-1"}', ['1', '0']))), 'm-1');
  t.is(working(pair('E', 'v1', annotated('{"m":"m-2"}', ['0', '1']))), 'm-2');
});

test('surprise 14: a spoilt working annotation never makes the only live copy the idle one', (t) => {
  for (const spoilt of [undefined, '', 'x', 'null', '{"m":"m-7"}', '{"m":"m-2"}', '{"o":"o-1"}']) {
    t.is(working(pair('v1', 'E', annotated(spoilt, ['1', '0']))), 'm-1', spoilt);
    t.is(
      working(pair('v1', 'v2', annotated(spoilt === '{"m":"m-2"}' ? '{"m":""}' : spoilt, ['1', '200']))),
      'm-2',
      spoilt,
    );
  }
});

test('nothing is said of a pair that lacks a copy or that nothing tells apart', (t) => {
  t.is(rolesOf(pair('v1', undefined, annotated('{"m":"m-1"}', ['1', '0']))), undefined);
  t.is(rolesOf(pair('v1', 'v2', annotated('x', []))), undefined);
  t.is(rolesOf(pair('E', 'E', annotated('x', ['1', '1']))), undefined);
});

test('Q2: another empty image does not make a stable pod look half upgraded', (t) => {
  const half = (facts: PairFacts) => isHalfUpgraded(facts, { working: 'm-1', other: 'm-2' });
  t.false(half(pair('v1', 'old E', annotated('{"m":"m-1"}', ['1', '0']))));
  t.true(half(pair('v1', 'v2', annotated('{"m":"m-1"}', ['1', '200']))));
  t.false(half(pair('v1', 'E')), 'no versions: the image decides');
  t.true(half(pair('v1', 'v2')));
});

test('the new image goes where OpenKruise puts it', (t) => {
  const ready =
    (...names: string[]) =>
    (name: string) =>
      names.includes(name);
  t.is(targetOf(pair('E', 'E'), ready()), 'm-1');
  t.is(targetOf(pair('v1', 'E'), ready('m-2')), 'm-2');
  const both = pair('v1', 'v2', annotated('{"m":"m-2"}', []));
  t.is(targetOf(both, ready('m-1')), 'm-2', 'the only one that is not ready');
  t.is(targetOf(both, ready('m-2')), 'm-1');
  t.is(targetOf(both, ready('m-1', 'm-2')), 'm-1', 'the older one');
  t.is(targetOf(pair('v1', 'v2', annotated('{"m":"m-1"}', [])), ready()), 'm-2');
});

test('the table of sidecarset.md 3.8', (t) => {
  const injected = annotated('{"m":"m-1"}', ['1', '0'], ['0', '1']);
  const upgraded = { ...injected, ...switchedAnnotations(injected, [{ sidecar: 'm', target: 'm-2' }], '100') };
  t.deepEqual(upgraded, annotated('{"m":"m-2"}', ['1', '100'], ['100', '1']));
  const flipped = { ...upgraded, ...resetAnnotations([{ working: 'm-2', other: 'm-1' }]) };
  t.deepEqual(flipped, annotated('{"m":"m-2"}', ['0', '100'], ['100', '0']));
  const again = { ...flipped, ...switchedAnnotations(flipped, [{ sidecar: 'm', target: 'm-1' }], '200') };
  t.deepEqual(again, annotated('{"m":"m-1"}', ['200', '100'], ['100', '200']));
  const rolledBack = { ...again, ...rolledBackAnnotations(again, [{ sidecar: 'm', working: 'm-2', other: 'm-1' }]) };
  t.deepEqual(rolledBack, annotated('{"m":"m-2"}', ['0', '100'], ['100', '0']));
});

test('a pod without version annotations gets an empty other version', (t) => {
  t.is(switchedAnnotations({}, [{ sidecar: 'm', target: 'm-2' }], '100')[versionAltKey('m-2')], '');
  t.deepEqual(switchedAnnotations({}, [], '100'), {});
});
