import type { ContainerExit, RuntimeContainer } from '../hot-upgrade/view.ts';
import type { WireStatus } from './protocol.ts';

/** Tells a pod's containers from the lives that the runtime still knows. */
export function containersFrom(lives: readonly WireStatus[]): Map<string, RuntimeContainer> {
  const byName = new Map<string, WireStatus[]>();
  for (const life of [...lives].sort(newestFirst)) {
    const name = life.metadata?.name ?? '';
    byName.set(name, [...(byName.get(name) ?? []), life]);
  }
  return new Map(
    [...byName].flatMap(([name, [newest, ...earlier]]) => (newest ? [[name, container(newest, earlier)]] : [])),
  );
}

function container(newest: WireStatus, earlier: readonly WireStatus[]): RuntimeContainer {
  const running = newest.state === 'CONTAINER_RUNNING';
  const startedAt = milliseconds(newest.startedAt);
  return {
    id: newest.id,
    running,
    ...(running && startedAt > 0 && { createdAt: milliseconds(newest.createdAt), startedAt }),
    exits: [newest, ...earlier].filter(({ state }) => state === 'CONTAINER_EXITED').map(exit),
  };
}

const exit = ({ id, createdAt, startedAt, exitCode, reason }: WireStatus): ContainerExit => ({
  id,
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
