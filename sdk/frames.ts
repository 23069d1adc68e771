import { BatonError } from './errors.ts';
import { parseMessage, type Message } from './messages.ts';

/** The longest body of a frame, in bytes. */
export const MAX_FRAME = 16 * 1024 * 1024;
/** The kernel's limit of descriptors in one message (`SCM_MAX_FD`, unix(7)). */
export const MAX_DESCRIPTORS = 253;
const HEADER = 4;

/** A decoded frame with the descriptors that it announced. */
export interface Frame {
  message: Message;
  descriptors: number[];
}

/** Reads frames out of a byte stream that descriptors ride on; see {@link createFrameReader}. */
export interface FrameReader {
  /**
   * Takes one read of the socket, in order, and returns the frames that it completes. With an `error` the stream cannot
   * be read on: `ERR_BATON_FRAME` (too long, no JSON, descriptors announced and received differ) or `ERR_BATON_MESSAGE`.
   * The frames before the error still count: an `ack` among them is final.
   */
  push(bytes: Uint8Array, descriptors: readonly number[]): { frames: Frame[]; error?: BatonError };
  /** Descriptors received that no returned frame owns; the caller closes them when it gives the stream up. */
  unclaimed(): number[];
}

const broken = (message: string, facts: Record<string, unknown> = {}): BatonError =>
  new BatonError('ERR_BATON_FRAME', `the peer does not speak the handover protocol: ${message}`, { facts });

/**
 * A frame as bytes: 4-byte big-endian length, then JSON. The number of descriptors is part of the JSON, because the
 * kernel may deliver them with bytes of an earlier frame.
 *
 * @throws BatonError `ERR_BATON_FRAME` when the message is longer than a frame may be.
 */
export function encodeFrame(message: Message, descriptors = 0): Buffer {
  const body = JSON.stringify(descriptors > 0 ? { ...message, descriptors } : message);
  const length = Buffer.byteLength(body);
  if (length > MAX_FRAME) {
    throw new BatonError(
      'ERR_BATON_FRAME',
      `a ${message.type} of ${length} bytes does not fit a frame of ${MAX_FRAME}`,
      {
        facts: { type: message.type, length },
      },
    );
  }
  const frame = Buffer.allocUnsafe(HEADER + length);
  frame.writeUInt32BE(length);
  frame.write(body, HEADER);
  return frame;
}

function decode(body: Buffer): { message: Message; announced: number } {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch (cause) {
    throw new BatonError('ERR_BATON_FRAME', 'the peer does not speak the handover protocol: a frame is no JSON', {
      cause,
    });
  }
  const message = parseMessage(value);
  const announced = (message as { descriptors?: unknown }).descriptors ?? 0;
  if (!Number.isInteger(announced) || (announced as number) < 0 || (announced as number) > MAX_DESCRIPTORS) {
    throw broken('a frame announces an impossible number of descriptors', { announced });
  }
  return { message, announced: announced as number };
}

/** A {@link FrameReader} for one connection. Pure: it never touches a descriptor. */
export function createFrameReader(): FrameReader {
  let chunks: Buffer[] = [];
  let buffered = 0;
  let needed = HEADER;
  const queue: number[] = [];

  const joined = (): Buffer => {
    const whole = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
    chunks = [whole];
    return whole;
  };

  const next = (): Frame | undefined => {
    if (needed === HEADER && buffered >= HEADER) {
      const length = joined().readUInt32BE();
      if (length === 0 || length > MAX_FRAME) throw broken(`a frame of ${length} bytes`, { length });
      needed = HEADER + length;
    }
    if (needed === HEADER || buffered < needed) return undefined;
    const whole = joined();
    const { message, announced } = decode(whole.subarray(HEADER, needed));
    if (announced > queue.length) {
      throw broken(`${message.type} announces ${announced} descriptors, ${queue.length} came`, { announced });
    }
    buffered -= needed;
    chunks = buffered > 0 ? [whole.subarray(needed)] : [];
    needed = HEADER;
    return { message, descriptors: queue.splice(0, announced) };
  };

  return {
    push(bytes, descriptors) {
      queue.push(...descriptors);
      chunks.push(Buffer.from(bytes));
      buffered += bytes.length;
      const frames: Frame[] = [];
      try {
        for (let frame = next(); frame !== undefined; frame = next()) frames.push(frame);
        if (queue.length > (buffered === 0 ? 0 : MAX_DESCRIPTORS)) {
          throw broken(`${queue.length} descriptors that no frame announces`);
        }
        return { frames };
      } catch (error) {
        return { frames, error: error as BatonError };
      }
    },
    unclaimed: () => queue.splice(0),
  };
}
