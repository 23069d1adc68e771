import test from 'ava';
import { equalImages, isPinned, parseImage, sameImage } from '../../api/image.ts';

const digest = `sha256:${'0a'.repeat(32)}`;

test('the parts of a reference', (t) => {
  t.deepEqual(parseImage('busybox'), { name: 'busybox' });
  t.deepEqual(parseImage('reg.example:5000/a/b__c:v1'), { name: 'reg.example:5000/a/b__c', tag: 'v1' });
  t.deepEqual(parseImage(`Reg/a:1@${digest}`), { name: 'Reg/a', tag: '1', digest });
  t.deepEqual(parseImage(`[::1]:5000/a`), { name: '[::1]:5000/a' });
});

test('what is no reference', (t) => {
  const broken = [
    '',
    'A',
    'a:',
    'a b',
    'x:',
    'a@sha256:12',
    `a@${digest.toUpperCase()}`,
    `a@md5:${'0'.repeat(32)}`,
    'a//b',
  ];
  for (const image of [...broken, 'a'.repeat(256), `a:${'v'.repeat(129)}`]) t.is(parseImage(image), undefined, image);
});

test('equal as OpenKruise compares: digests before tags, names literally', (t) => {
  t.true(isPinned(`a@${digest}`));
  t.true(equalImages(`a:1@${digest}`, `a:2@${digest}`));
  t.false(equalImages('a:1', `a:2@${digest}`));
  t.false(equalImages('busybox', 'docker.io/library/busybox'));
  t.false(equalImages('', ''));
});

test('Q6: the same image under its short and its complete name', (t) => {
  t.true(sameImage(`busybox@${digest}`, `docker.io/library/busybox@${digest}`));
  t.true(sameImage('team/proxy', 'index.docker.io/team/proxy:latest'));
  t.true(sameImage('localhost/a:1', 'localhost/a:1'));
  t.false(sameImage('quay.io/a:1', 'a:1'));
  t.false(sameImage('a:1', 'a:2'));
  t.false(sameImage('not an image', 'not an image'));
});
