import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import * as native from '../../native/index.ts';
import { openChannel, type Channel } from '../../sdk/channel.ts';
import type { Frame } from '../../sdk/frames.ts';
import { until } from './processes.ts';

/** A channel under test with all that it reported. */
export interface Side {
  readonly channel: Channel;
  readonly frames: Frame[];
  /** How often it ended, and why. */
  readonly endings: (Error | undefined)[];
  /** What it reported, pings apart. */
  heard(): string[];
}

/** A channel over a connected socket; `hear` sees each frame first. */
export function openSide(t: ExecutionContext, socket: number, hear?: (frame: Frame, side: Side) => void): Side {
  const frames: Frame[] = [];
  const endings: (Error | undefined)[] = [];
  const side: Side = {
    frames,
    endings,
    heard: () => frames.map(({ message }) => message.type).filter((type) => type !== 'ping'),
    channel: openChannel(
      socket,
      { version: 'test' },
      {
        frame(frame) {
          frames.push(frame);
          hear?.(frame, side);
        },
        ended: (error) => endings.push(error),
      },
    ),
  };
  t.teardown(() => side.channel.close());
  return side;
}

/** Two channels, connected. */
export const openPair = (t: ExecutionContext): [Side, Side] => {
  const [one, other] = native.socketPair();
  return [openSide(t, one), openSide(t, other)];
};

export const untilHeard = (side: Side, count: number): Promise<boolean> =>
  until(`${count} frames`, () => side.heard().length >= count);

/** A few turns of the event loop. */
export const turns = (): Promise<void> => delay(20);
