import test from 'ava';
import { goPattern } from '../../api/go-pattern.ts';

test("it reads Go's syntax, and finds it anywhere", (t) => {
  t.true(goPattern('b')('abc'));
  t.true(goPattern('')(''));
  t.true(goPattern('(?i)^APP\\z')('app'));
  t.true(goPattern('(?P<name>a)')('a'));
  t.true(goPattern('[[:alpha:]]+$')('x'));
  t.false(goPattern('^b$')('abc'));
});

test('what Go cannot read is refused', (t) => {
  for (const expression of ['(', 'a(?=b)', '(a)\\1', '[z-a]', 'a{1001}']) {
    t.throws(() => goPattern(expression), undefined, expression);
  }
});

test('an expression that JavaScript would try for years takes no time', (t) => {
  t.false(goPattern('^(a+)+$')('a'.repeat(50_000) + 'b'));
});
