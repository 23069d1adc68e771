import test from 'ava';
import fc from 'fast-check';
import { negotiate } from '../../sdk/negotiation.ts';

const roleOf = (own?: string, other?: string): unknown =>
  negotiate({
    ...(own !== undefined && { SIDECARSET_VERSION: own }),
    ...(other !== undefined && { SIDECARSET_VERSION_ALT: other }),
  });

const big = '18446744073709551616';
const table: [string | undefined, string | undefined, object][] = [
  ['0', '0', { role: 'idle', version: '0' }],
  ['0', '100', { role: 'idle', version: '0' }],
  ['000', '1', { role: 'idle', version: '0' }],
  ['100', '0', { role: 'first', version: '100' }],
  ['100', undefined, { role: 'first', version: '100' }],
  ['100', '', { role: 'first', version: '100' }],
  [undefined, undefined, { role: 'first', version: '1' }],
  ['200', '100', { role: 'successor', version: '200', alternative: '100' }],
  ['100', '200', { role: 'stale', version: '100', alternative: '200' }],
  ['9', '10', { role: 'stale', version: '9', alternative: '10' }],
  ['0010', '9', { role: 'successor', version: '10', alternative: '9' }],
  // One apart beyond what a double holds.
  [`${big}1`, `${big}0`, { role: 'successor', version: `${big}1`, alternative: `${big}0` }],
  [
    '9007199254740992',
    '9007199254740993',
    { role: 'stale', version: '9007199254740992', alternative: '9007199254740993' },
  ],
  ['9'.repeat(32), '1', { role: 'successor', version: '9'.repeat(32), alternative: '1' }],
];
for (const [own, other, expected] of table) {
  test(`version ${own}, other ${other === '' ? 'empty' : other}`, (t) => {
    t.deepEqual(roleOf(own, other), expected as never);
  });
}

const wrong = ['-1', '+1', '1.5', '1e3', '0x10', ' 1', '1 ', '1\n', 'v1', 'NaN', '１', '1_000', '9'.repeat(33)];
for (const value of [...wrong, '']) {
  test(`malformed: ${JSON.stringify(value)}`, (t) => {
    t.throws(() => roleOf(value, '0'), { code: 'ERR_BATON_VERSION', message: /SIDECARSET_VERSION is/ });
    if (value !== '')
      t.throws(() => roleOf('1', value), { code: 'ERR_BATON_VERSION', message: /SIDECARSET_VERSION_ALT is/ });
    // The idle copy reads both too.
    if (value !== '') t.throws(() => roleOf('0', value), { code: 'ERR_BATON_VERSION' });
  });
}

test('equal versions, and another without one of its own', (t) => {
  t.throws(() => roleOf('7', '7'), { code: 'ERR_BATON_VERSION', message: /both 7/ });
  t.throws(() => roleOf('07', '7'), { code: 'ERR_BATON_VERSION', message: /both 7/ });
  t.throws(() => roleOf(undefined, '7'), { code: 'ERR_BATON_VERSION' });
  t.throws(() => roleOf(undefined, ''), { code: 'ERR_BATON_VERSION' });
});

test('two copies of one sidecar never have the same role, unless both idle', (t) => {
  const version = fc.bigInt({ min: 0n, max: 10n ** 32n - 1n });
  fc.assert(
    fc.property(version, version, (a, b) => {
      fc.pre(a !== b);
      const one = negotiate({ SIDECARSET_VERSION: String(a), SIDECARSET_VERSION_ALT: String(b) });
      const other = negotiate({ SIDECARSET_VERSION: String(b), SIDECARSET_VERSION_ALT: String(a) });
      t.not(one.role, other.role);
      t.is(one.version, String(a));
    }),
  );
});

test('anything is a role or an error that names what to look at', (t) => {
  fc.assert(
    fc.property(
      fc.option(fc.string(), { nil: undefined }),
      fc.option(fc.string(), { nil: undefined }),
      (own, other) => {
        try {
          negotiate({ SIDECARSET_VERSION: own, SIDECARSET_VERSION_ALT: other });
        } catch (error) {
          t.is((error as { code: string }).code, 'ERR_BATON_VERSION');
          t.regex((error as Error).message, /SIDECARSET_VERSION/);
        }
      },
    ),
  );
  t.pass();
});
