import test from 'ava';
import { run } from './helpers.ts';

interface Growth {
  descriptors: number;
  heapBytes: number;
  residentBytes: number;
}

function growth(of: string): Growth {
  const { status, stdout, stderr } = run('leak.ts', [of]);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Growth;
}

// 64 bytes kept per round would be 640 kB of heap; a watch's handle alone is 160 bytes outside it.
const heapLimit = 500_000;

test('10,000 messages with descriptors leave nothing open and no memory', (t) => {
  const { descriptors, heapBytes } = growth('messages');
  t.is(descriptors, 0);
  t.true(heapBytes < heapLimit, `heap grew by ${heapBytes}`);
});

test('watches opened and closed leave nothing open and no memory', (t) => {
  const { descriptors, heapBytes, residentBytes } = growth('watches');
  t.is(descriptors, 0);
  t.true(heapBytes < heapLimit, `heap grew by ${heapBytes}`);
  t.true(residentBytes < 12_000_000, `resident memory grew by ${residentBytes}`);
});

test('calls that fail leave nothing open and no memory', (t) => {
  const { descriptors, heapBytes } = growth('failures');
  t.is(descriptors, 0);
  t.true(heapBytes < heapLimit, `heap grew by ${heapBytes}`);
});

test('a watch that nobody remembers still calls back after the garbage is collected', (t) => {
  const { status, stdout, stderr } = run('forgotten-watch.ts');
  t.is(stdout, 'called\n', stderr);
  t.is(status, 0);
});
