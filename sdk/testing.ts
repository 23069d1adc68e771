import { createCounts, type Counts } from './counts.ts';
import type { Negotiated, Role } from './negotiation.ts';
import { plainSidecar } from './plain.ts';
import type { Sidecar } from './sidecar.ts';

export { processEnvironment, type Environment } from './environment.ts';

/** A {@link Sidecar} for tests of your own code: no folder, no other process; see {@link createTestSidecar}. */
export interface TestSidecar extends Sidecar {
  /** What your code kept for its successor so far. */
  kept(): ReadonlyMap<string, Uint8Array>;
  /**
   * The next version, as it would start after this one: a successor with the state that was kept. When it is ready, it
   * takes what was counted here.
   */
  succeed(): TestSidecar;
}

/**
 * A double of what `createSidecar` resolves to. Its servers listen plainly, so use `port: 0` and `server.address()`.
 *
 * ```js
 * const old = createTestSidecar();
 * await startMySidecar(old); // your code: serve, state.put
 * const next = old.succeed();
 * await startMySidecar(next); // does it restore what the old one kept?
 * ```
 */
export function createTestSidecar({
  role = 'first',
  version = '1',
  state = {},
}: { role?: Exclude<Role, 'idle'>; version?: string; state?: Readonly<Record<string, Uint8Array>> } = {}): TestSidecar {
  const states = new Map(Object.entries(state).map(([key, bytes]) => [key, Buffer.from(bytes)]));
  return double({ role, version }, states);
}

function double(identity: Negotiated, states: Map<string, Buffer>, predecessor?: Counts): TestSidecar {
  const counts = createCounts();
  const next = { role: 'successor', version: String(BigInt(identity.version) + 1n) } as const;
  return {
    ...plainSidecar(identity, states, counts, predecessor),
    kept: () => states,
    succeed: () => double(next, new Map(states), counts),
  };
}
