import type { ContainerExit, ImageNames, RuntimeContainer } from '../hot-upgrade/view.ts';
import type { WireStatus } from './protocol.ts';

/** One life of a container, and its image by all of its names. */
export type Life = WireStatus & { image: ImageNames };

/** Tells a pod's containers from the lives that the runtime still knows. */
export function containersFrom(lives: readonly Life[]): Map<string, RuntimeContainer> {
  const byName = new Map<string, Life[]>();
  for (const life of [...lives].sort(newestFirst)) {
    const name = life.metadata?.name ?? '';
    byName.set(name, [...(byName.get(name) ?? []), life]);
  }
  return new Map(
    [...byName].flatMap(([name, [newest, ...earlier]]) => (newest ? [[name, container(newest, earlier)]] : [])),
  );
}

function container(newest: Life, earlier: readonly Life[]): RuntimeContainer {
  const running = newest.state === 'CONTAINER_RUNNING';
  const startedAt = milliseconds(newest.startedAt);
  return {
    id: newest.id,
    running,
    image: newest.image,
    ...(running && startedAt > 0 && { createdAt: milliseconds(newest.createdAt), startedAt }),
    exits: [newest, ...earlier].filter(({ state }) => state === 'CONTAINER_EXITED').map(exit),
  };
}

const exit = ({ id, image, createdAt, startedAt, exitCode, reason }: Life): ContainerExit => ({
  id,
  image,
  // One that could not be started never was.
  startedBy: milliseconds(startedAt) || milliseconds(createdAt),
  reason,
  exitCode,
});

// A rebooted node's new sandbox may count attempts from anywhere: the time of creation decides.
function newestFirst(a: WireStatus, b: WireStatus): number {
  const difference = BigInt(b.createdAt) - BigInt(a.createdAt);
  return difference === 0n ? 0 : difference > 0n ? 1 : -1;
}

const milliseconds = (nanoseconds: string): number => Number(BigInt(nanoseconds) / 1_000_000n);
