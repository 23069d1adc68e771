import test from 'ava';
import type { Grant } from '../../api/grant.ts';
import { attemptOf, printGrants, readGrants } from '../../api/grant.ts';

const grant: Grant = {
  v: 1,
  revision: 'h',
  hash: 'h',
  controllerRevision: 's-1',
  version: '12345678901234567890',
  sidecarList: ['log', 'mesh'],
  sidecars: {
    mesh: { image: 'mesh:2', emptyImage: 'empty', soakSeconds: 5, rollback: 'Never' },
    log: { image: 'log:1' },
  },
  podAnnotations: { a: 'b' },
  grantedAt: '2026-01-01T00:00:00Z',
};

function read(text: string, set = 's'): Grant | string {
  const grants = readGrants(text);
  if ('problem' in grants) return grants.problem;
  const its = grants.value.get(set);
  if (!its) return 'none';
  return 'problem' in its ? its.problem : its.value;
}

test('a grant is read as it was printed', (t) => {
  t.deepEqual(read(printGrants(new Map([['s', grant]]))), grant);
  const { controllerRevision, podAnnotations, ...least } = grant;
  t.deepEqual(read(printGrants(new Map([['s', { ...least, sidecarList: null }]]))), { ...least, sidecarList: null });
  t.truthy(controllerRevision && podAnnotations);
});

test('a malformed grant is a problem of its own set, which names the field', (t) => {
  const problems: [object, string][] = [
    [{ v: 2 }, 'v is 2, this agent knows 1'],
    [{ revision: '' }, 'revision is missing'],
    [{ hash: 5 }, 'hash is missing'],
    [{ version: '-1' }, 'version is not a decimal string'],
    [{ grantedAt: null }, 'grantedAt is missing'],
    [{ sidecarList: [1] }, 'sidecarList is not a list of strings'],
    [{ podAnnotations: { a: 1 } }, 'podAnnotations are not strings'],
    [{ controllerRevision: 1 }, 'controllerRevision is not a string'],
    [{ sidecars: [] }, 'sidecars is not an object'],
    [{ sidecars: { a: null } }, 'sidecars.a: not an object'],
    [{ sidecars: { a: { image: '' } } }, 'sidecars.a: image is missing'],
    [{ sidecars: { a: { image: 'i', emptyImage: '' } } }, 'sidecars.a: emptyImage is not a string'],
    [{ sidecars: { a: { image: 'i', soakSeconds: -1 } } }, 'sidecars.a: soakSeconds is not a number of seconds'],
    [{ sidecars: { a: { image: 'i', rollback: 'x' } } }, 'sidecars.a: rollback is neither Automatic nor Never'],
  ];
  for (const [change, problem] of problems) {
    const text = JSON.stringify({ s: { ...grant, ...change }, o: grant });
    t.is(read(text), problem);
    t.deepEqual(read(text, 'o'), grant);
  }
  t.is(read('{"s":[]}'), 'not an object');
  t.is(read('[]'), 'not a JSON object');
  t.is(read(''), 'none');
});

test('another value of baton.dev/resume makes another attempt', (t) => {
  t.is(attemptOf('h', undefined), 'h');
  t.is(attemptOf('h', ''), 'h');
  t.not(attemptOf('h', '1'), attemptOf('h', '2'));
});

test('a sidecar may be named like what every JavaScript object has', (t) => {
  const sidecars = Object.fromEntries([['__proto__', { image: 'a:1' }]]);
  const odd = read(printGrants(new Map([['s', { ...grant, sidecars }]])));
  t.deepEqual(typeof odd === 'string' ? odd : Object.entries(odd.sidecars), [['__proto__', { image: 'a:1' }]]);
});
