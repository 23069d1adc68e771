import { plan } from '../../controller/rollout/plan.ts';
import { median } from '../table.ts';
import { fleets } from './fleets.ts';

/** How long one plan takes. */
export interface PlanTiming {
  kind: string;
  pods: number;
  medianMs: number;
}

const RUNS = 15;

/** Plans for fleets of each size. */
export function planBench(sizes: readonly number[]): PlanTiming[] {
  return fleets().flatMap(({ kind, set, makePod }) =>
    sizes.map((size) => {
      const pods = Array.from({ length: size }, (_, index) => makePod(index));
      const times = Array.from({ length: RUNS }, () => {
        const start = performance.now();
        plan(set, pods, { now: 0, controllerRevision: 's-1' });
        return performance.now() - start;
      });
      return { kind, pods: size, medianMs: median(times) };
    }),
  );
}
