import test from 'ava';
import fc from 'fast-check';
import { parseMessage, type Message } from '../../sdk/messages.ts';

const socket = { name: 'http', kind: 'tcp', address: '127.0.0.1:80', backlog: 511 };
const samples: { [Type in Message['type']]: Extract<Message, { type: Type }> } = {
  hello: { type: 'hello', protocol: 1, version: '200', nofile: 1024, openFds: 20, serving: ['http'] },
  offer: { type: 'offer', protocol: 1, version: '100', sockets: [socket as never], total: 1, states: 0 },
  state: { type: 'state', key: 'tickets', bytes: 'AAAA' },
  ready: { type: 'ready', sockets: ['http'], counts: ['hits'] },
  final: { type: 'final', key: 'k', bytes: 'eA==', id: 1 },
  stopped: { type: 'stopped' },
  connection: {
    type: 'connection',
    id: 1,
    name: 'http',
    local: '127.0.0.1:80',
    remote: '127.0.0.1:5000',
    head: '',
    state: 'AA==',
    idleMs: 5000,
  },
  ack: { type: 'ack', id: 1 },
  nack: { type: 'nack', id: 1, code: 'ERR_BATON_KIND' },
  drained: { type: 'drained', moved: 1, finished: 2, cut: 3 },
  back: { type: 'back' },
  resumed: { type: 'resumed', counts: ['hits'] },
  ping: { type: 'ping' },
  refuse: { type: 'refuse', code: 'ERR_BATON_BUSY', message: 'busy' },
};
const optional = new Set([
  'ready.counts',
  'final.id',
  'resumed.counts',
  'hello.serving',
  'connection.state',
  'connection.idleMs',
  'nack.code',
]);

/** For each kind of field what it must not be; `undefined` stands for a missing one. */
const malformed = (value: unknown): unknown[] =>
  typeof value === 'number'
    ? [undefined, null, '1', -1, 1.5, NaN, Infinity, 2 ** 53, [], {}, true]
    : typeof value === 'string'
      ? [undefined, null, 1, [], {}, false]
      : [undefined, null, 1, 'http', {}, [1], [null], [[]]];

for (const [type, sample] of Object.entries(samples)) {
  test(`${type}: is taken as it is, with fields that this version does not know`, (t) => {
    t.is(parseMessage(sample), sample);
    const richer = { ...sample, later: { any: ['thing'] } };
    t.deepEqual(parseMessage(richer), richer);
  });

  for (const [field, value] of Object.entries(sample).filter(([name]) => name !== 'type')) {
    test(`${type}: ${field} malformed`, (t) => {
      for (const wrong of malformed(value)) {
        const parse = (): Message => parseMessage({ ...sample, [field]: wrong });
        if (wrong === undefined && optional.has(`${type}.${field}`)) t.notThrows(parse);
        else t.throws(parse, { code: 'ERR_BATON_MESSAGE', message: new RegExp(field) }, String(wrong));
      }
    });
  }
}

test('versions are decimal numbers above zero of at most 32 digits', (t) => {
  for (const version of ['1', '18446744073709551616', '9'.repeat(32)]) {
    t.notThrows(() => parseMessage({ ...samples.hello, version }));
  }
  for (const version of ['', '0', '01', '-1', '+1', '1.0', '0x1', ' 1', '1\n', '../1', '9'.repeat(33)]) {
    t.throws(() => parseMessage({ ...samples.hello, version }), { code: 'ERR_BATON_MESSAGE' }, version);
  }
});

test('each field of an offered socket', (t) => {
  for (const [field, value] of Object.entries(socket)) {
    for (const wrong of malformed(value)) {
      t.throws(() => parseMessage({ ...samples.offer, sockets: [socket, { ...socket, [field]: wrong }] }), {
        code: 'ERR_BATON_MESSAGE',
      });
    }
  }
  t.notThrows(() => parseMessage({ ...samples.offer, sockets: [{ ...socket, kind: 'udp' }] }));
  t.throws(() => parseMessage({ ...samples.offer, sockets: [{ ...socket, kind: 'sctp' }] }), {
    code: 'ERR_BATON_MESSAGE',
  });
});

test('unknown types, and what is no message at all', (t) => {
  for (const type of ['', 'Ping', 'constructor', '__proto__', 'toString', 'final', 1, null, undefined, {}, ['ping']]) {
    t.throws(() => parseMessage({ type }), { code: 'ERR_BATON_MESSAGE' });
  }
  t.throws(() => parseMessage(JSON.parse('{"__proto__":{"type":"ping"}}')), { code: 'ERR_BATON_MESSAGE' });
  for (const value of [null, undefined, 1, 'ping', [], [samples.ping], true]) {
    t.throws(() => parseMessage(value), { code: 'ERR_BATON_MESSAGE' });
  }
});

test('an error message stays short, whatever the type', (t) => {
  let nested: unknown = [];
  for (let depth = 0; depth < 100_000; depth++) nested = [nested];
  for (const type of ['x'.repeat(1e6), nested]) {
    const error = t.throws(() => parseMessage({ type }), { code: 'ERR_BATON_MESSAGE' });
    t.true(error.message.length < 200);
  }
});

test('anything at all is either a known message or an error with its code', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.anything(), fc.record({ type: fc.constantFrom(...Object.keys(samples)), id: fc.anything() })),
      (value) => {
        try {
          t.true(parseMessage(value).type in samples);
        } catch (error) {
          t.is((error as { code: string }).code, 'ERR_BATON_MESSAGE');
        }
      },
    ),
  );
});
