import test from 'ava';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import * as native from '../../native/index.ts';

const one = new Uint8Array(1);
const none = () => undefined;

function refused(t: ExecutionContext, argument: string, run: () => unknown) {
  const error = t.throws<NodeJS.ErrnoException>(run, { instanceOf: TypeError }, argument);
  t.is(error.code, 'ERR_BATON_ARGUMENT');
  t.true(error.message.startsWith(`Argument "${argument}" must be `), error.message);
}

const badDescriptors: unknown[] = [-1, 1.5, NaN, Infinity, 2 ** 31, -0.5, '1', null, undefined, {}, 1n, true];

test('descriptors are small non-negative integers', (t) => {
  for (const value of badDescriptors as number[]) {
    refused(t, 'socket', () => native.send(value, one));
    refused(t, 'descriptors[1]', () => native.send(1, one, [1, value]));
    refused(t, 'socket', () => native.receive(value, one));
    refused(t, 'socket', () => native.credentials(value));
    refused(t, 'descriptor', () => native.duplicate(value));
    refused(t, 'descriptor', () => native.close(value));
    refused(t, 'socket', () => native.shutdown(value, 'read'));
    refused(t, 'descriptor', () => native.lock(value));
    refused(t, 'socket', () => native.facts(value));
    refused(t, 'socket', () => native.accept(value));
    refused(t, 'descriptor', () => native.watch(value, {}, none));
  }
});

test('bytes are a Uint8Array, and not empty where that would mean something else', (t) => {
  for (const value of ['text', [1], new ArrayBuffer(1), new Uint16Array(1), null, undefined] as never[]) {
    refused(t, 'bytes', () => native.send(1, value));
    refused(t, 'into', () => native.receive(1, value));
    refused(t, 'bytes', () => native.notify('/path', value));
  }
  refused(t, 'bytes', () => native.send(1, new Uint8Array(0), [1]));
  refused(t, 'into', () => native.receive(1, new Uint8Array(0)));
});

test('numbers are within their limits', (t) => {
  for (const value of [-1, 254, 0.5, NaN, '1', null] as never[]) {
    refused(t, 'maxDescriptors', () => native.receive(1, one, value));
  }
  for (const value of [-1, 65536, 0.5, NaN, '80', null, undefined] as never[]) {
    refused(t, 'port', () => native.listenTcp({ host: '::', port: value, backlog: 1 }));
    refused(t, 'port', () => native.bindUdp({ host: '::', port: value }));
  }
  for (const value of [-1, 2 ** 31, 0.5, undefined] as never[]) {
    refused(t, 'backlog', () => native.listenTcp({ host: '::', port: 0, backlog: value }));
    refused(t, 'backlog', () => native.listenUnix('/path', value));
  }
});

test('hosts are numeric, paths are whole', (t) => {
  for (const host of ['localhost', '', '1.2.3', '::g', '127.0.0.1:80', null, undefined, 1] as never[]) {
    refused(t, 'host', () => native.listenTcp({ host, port: 0, backlog: 1 }));
    refused(t, 'host', () => native.bindUdp({ host, port: 0 }));
  }
  for (const path of ['', 'a\0b', '\0a\0b', null, undefined, 1, Buffer.from('/path')] as never[]) {
    refused(t, 'path', () => native.listenUnix(path, 1));
    refused(t, 'path', () => native.connectUnix(path));
    refused(t, 'path', () => native.notify(path, one));
  }
});

test('objects are objects, directions and callbacks what they must be', (t) => {
  for (const value of [null, undefined, 'text', 1] as never[]) {
    refused(t, 'options', () => native.listenTcp(value));
    refused(t, 'options', () => native.bindUdp(value));
    refused(t, 'events', () => native.watch(1, value, none));
  }
  for (const value of [null, 'text', { length: 1, 0: 1 }] as never[]) {
    refused(t, 'descriptors', () => native.send(1, one, value));
  }
  refused(t, 'direction', () => native.shutdown(1, 'both' as never));
  refused(t, 'direction', () => native.shutdown(1, undefined as never));
  refused(t, 'callback', () => native.watch(1, {}, undefined as never));
});

test('whatever comes, a call returns or throws an Error with a code', (t) => {
  const calls = ['credentials', 'duplicate', 'lock', 'facts', 'accept', 'connectUnix'] as const;
  // Not what may be open here: such a number would be taken, and locked or copied.
  const open = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 50_000;
  const value = fc.oneof(
    fc.anything({ withNullPrototype: true }).filter((each) => !open(each)),
    fc.integer({ min: 50_000 }),
    fc.string({ minLength: 1, maxLength: 200 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...calls), value, (name, argument) => {
      try {
        (native[name] as (argument: unknown) => unknown)(argument);
        t.fail(`${name} took it`);
      } catch (error) {
        t.true(error instanceof Error);
        t.is(typeof (error as NodeJS.ErrnoException).code, 'string');
      }
    }),
    { numRuns: 500 },
  );
});
