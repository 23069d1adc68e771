import test from 'ava';
import fc from 'fast-check';
import { createFrameReader, encodeFrame, MAX_DESCRIPTORS, MAX_FRAME, type Frame } from '../../sdk/frames.ts';
import type { Message } from '../../sdk/messages.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const count = fc.nat();
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('ping' as const) }),
  fc.record({ type: fc.constant('ack' as const), id: count }),
  fc.record({ type: fc.constant('state' as const), key: text, bytes: text }),
  fc.record({ type: fc.constant('refuse' as const), code: text, message: text }),
  fc.record({ type: fc.constant('ready' as const), sockets: fc.array(text, { maxLength: 5 }) }),
  fc.record({ type: fc.constant('connection' as const), id: count, name: text, local: text, remote: text, head: text }),
);
const sent = fc.array(fc.record({ message, descriptors: fc.nat({ max: 5 }) }), { maxLength: 20 });

/** Descriptors are numbers to the reader: each gets its own. */
const numbered = (messages: { message: Message; descriptors: number }[]): Frame[] => {
  let next = 0;
  return messages.map(({ message, descriptors }) => ({
    message,
    descriptors: Array.from({ length: descriptors }, () => next++),
  }));
};

/** One read at most per cut; descriptors come with the read that has the first byte of their frame, as the kernel does it. */
function cut(frames: Frame[], cuts: number[]): { bytes: Buffer; descriptors: number[] }[] {
  const encoded = frames.map((frame) => encodeFrame(frame.message, frame.descriptors.length));
  const stream = Buffer.concat(encoded);
  let start = 0;
  const starts = encoded.map((bytes) => (start += bytes.length) - bytes.length);
  // One read never brings the descriptors of two messages: cut between them.
  const carriers = starts.filter((_, index) => (frames[index]?.descriptors.length ?? 0) > 0);
  const edges = [...new Set([0, ...carriers.slice(1), ...cuts.map((at) => at % (stream.length + 1)), stream.length])];
  edges.sort((a, b) => a - b);
  return edges.slice(0, -1).map((from, index) => {
    const to = edges[index + 1] ?? stream.length;
    const descriptors = frames.flatMap((frame, own) => {
      const at = starts[own] ?? 0;
      return at >= from && at < to ? frame.descriptors : [];
    });
    return { bytes: stream.subarray(from, to), descriptors };
  });
}

const plain = ({ message, descriptors }: Frame): unknown => {
  const { descriptors: announced, ...rest } = message as Message & { descriptors?: number };
  return { message: rest, descriptors, announced: announced ?? 0 };
};

test('whatever is sent comes out, wherever the stream is cut', (t) => {
  fc.assert(
    fc.property(sent, fc.array(fc.nat(), { maxLength: 40 }), (messages, cuts) => {
      const frames = numbered(messages);
      const reader = createFrameReader();
      const got: Frame[] = [];
      for (const { bytes, descriptors } of cut(frames, cuts)) {
        const { frames: complete, error } = reader.push(bytes, descriptors);
        if (error) throw error;
        got.push(...complete);
      }
      const expected = frames.map((frame) =>
        plain({ ...frame, message: { ...frame.message, descriptors: frame.descriptors.length } as never }),
      );
      t.deepEqual(JSON.parse(JSON.stringify(got.map(plain))), JSON.parse(JSON.stringify(expected)));
      t.deepEqual(reader.unclaimed(), []);
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('no descriptor is ever lost, whatever comes: claimed and unclaimed are what was pushed', (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }).map((some) => Buffer.from(some)),
    fc
      .record({ message, announced: fc.nat({ max: 6 }) })
      .map(({ message: said, announced }) => encodeFrame(said, announced)),
    fc.json().map((json) => {
      const body = Buffer.from(json);
      const head = Buffer.alloc(4);
      head.writeUInt32BE(body.length);
      return Buffer.concat([head, body]);
    }),
    fc.nat({ max: 40 }).map((length) => encodeFrame({ type: 'ready', sockets: ['http'] }, 3).subarray(0, length)),
  );
  fc.assert(
    fc.property(fc.array(fc.record({ bytes, count: fc.nat({ max: 10 }) }), { maxLength: 20 }), (reads) => {
      const reader = createFrameReader();
      const claimed: number[] = [];
      let pushed = 0;
      for (const { bytes: some, count: many } of reads) {
        const descriptors = Array.from({ length: many }, () => pushed++);
        const { frames, error } = reader.push(some, descriptors);
        for (const frame of frames) claimed.push(...frame.descriptors);
        if (error) {
          t.true(error.code === 'ERR_BATON_FRAME' || error.code === 'ERR_BATON_MESSAGE', String(error));
          break;
        }
      }
      const all = [...claimed, ...reader.unclaimed()].sort((a, b) => a - b);
      t.deepEqual(
        all,
        Array.from({ length: pushed }, (_, index) => index),
      );
      t.deepEqual(reader.unclaimed(), [], 'each is given once');
    }),
    { numRuns: 1000 },
  );
});

test('descriptors may come early, with bytes of the frame before', (t) => {
  const reader = createFrameReader();
  const first = encodeFrame({ type: 'ping' });
  const second = encodeFrame({ type: 'stopped' }, 1);
  t.deepEqual(reader.push(first.subarray(0, 5), []), { frames: [] });
  const stream = Buffer.concat([first.subarray(5), second.subarray(0, 3)]);
  const { frames, error } = reader.push(stream, [7]);
  t.is(error, undefined);
  t.deepEqual(frames, [{ message: { type: 'ping' }, descriptors: [] }]);
  t.deepEqual(reader.push(second.subarray(3), []).frames[0]?.descriptors, [7]);
});

const errorOf = (bytes: Uint8Array, descriptors: number[] = []): string | undefined =>
  createFrameReader().push(bytes, descriptors).error?.code;
const framed = (body: string): Buffer => {
  const bytes = Buffer.from(`....${body}`);
  bytes.writeUInt32BE(bytes.length - 4);
  return bytes;
};

test('missing, surplus and impossible descriptors', (t) => {
  t.is(errorOf(encodeFrame({ type: 'stopped' }, 1)), 'ERR_BATON_FRAME');
  t.is(errorOf(encodeFrame({ type: 'stopped' }, 1), [3, 4]), 'ERR_BATON_FRAME');
  t.is(errorOf(encodeFrame({ type: 'ping' }), [3]), 'ERR_BATON_FRAME');
  t.is(errorOf(encodeFrame({ type: 'stopped' }, 1), [3]), undefined);
  for (const announced of ['-1', '1.5', '"1"', 'true', '[]', '{}', '1e9', String(MAX_DESCRIPTORS + 1)]) {
    t.is(errorOf(framed(`{"type":"ping","descriptors":${announced}}`)), 'ERR_BATON_FRAME', announced);
  }
  const reader = createFrameReader();
  const half = encodeFrame({ type: 'stopped' }, MAX_DESCRIPTORS).subarray(0, 6);
  const many = Array.from({ length: MAX_DESCRIPTORS }, (_, index) => index);
  t.is(reader.push(half, many).error, undefined);
  t.is(reader.push(Buffer.from('x'), [999]).error?.code, 'ERR_BATON_FRAME');
  t.is(reader.unclaimed().length, MAX_DESCRIPTORS + 1);
});

test('the longest frame passes, a longer one is refused by its header alone, and is never encoded', (t) => {
  const overhead = JSON.stringify({ type: 'state', key: '', bytes: '' }).length;
  const longest = encodeFrame({ type: 'state', key: '', bytes: 'x'.repeat(MAX_FRAME - overhead) });
  t.is(longest.length, MAX_FRAME + 4);
  const reader = createFrameReader();
  const got: Frame[] = [];
  for (let at = 0; at < longest.length; at += 65536)
    got.push(...reader.push(longest.subarray(at, at + 65536), []).frames);
  t.is(got.length, 1);
  t.throws(() => encodeFrame({ type: 'state', key: '', bytes: 'x'.repeat(MAX_FRAME - overhead + 1) }), {
    code: 'ERR_BATON_FRAME',
  });
  const header = Buffer.alloc(4);
  header.writeUInt32BE(MAX_FRAME + 1);
  t.is(errorOf(header), 'ERR_BATON_FRAME');
  t.is(errorOf(Buffer.alloc(4)), 'ERR_BATON_FRAME');
});

test('frames before an error are returned', (t) => {
  const stream = Buffer.concat([
    encodeFrame({ type: 'ack', id: 1 }),
    encodeFrame({ type: 'ack', id: 2 }),
    framed('{'),
    encodeFrame({ type: 'ack', id: 3 }),
  ]);
  const { frames, error } = createFrameReader().push(stream, []);
  t.deepEqual(
    frames.map(({ message: said }) => said),
    [
      { type: 'ack', id: 1 },
      { type: 'ack', id: 2 },
    ],
  );
  t.is(error?.code, 'ERR_BATON_FRAME');
});

test('the reader keeps nothing of the buffer that it was given', (t) => {
  const reader = createFrameReader();
  const bytes = Buffer.from(encodeFrame({ type: 'state', key: 'a', bytes: 'b' }));
  const scratch = Buffer.from(bytes.subarray(0, 10));
  reader.push(scratch, []);
  scratch.fill(0);
  t.deepEqual(reader.push(bytes.subarray(10), []).frames[0]?.message, { type: 'state', key: 'a', bytes: 'b' });
});
