import { findContainer } from '../../api/containers.ts';
import type { Grant } from '../../api/grant.ts';
import type { UpgradeRecord } from '../../api/upgrade-record.ts';
import { claim, upgrade } from './patches.ts';
import type { Plan } from './plan.ts';
import { planOf } from './plan.ts';
import { imagesFor } from './pulling.ts';
import type { Step } from './step.ts';
import { blocked, heldBack, nothing, patch } from './step.ts';
import type { View } from './view.ts';

/** How long to wait for room on the node before looking again, in milliseconds; a free place is told earlier. */
const crowded = 30_000;

/** Rules (6) and (7): a grant for a pod in which no upgrade of the set is under way. */
export function start(view: View, set: string, grant: Grant, earlier: UpgradeRecord | undefined): Step {
  const isSame = earlier?.revision === grant.revision;
  if (isSame && earlier.result === 'failed')
    return nothing(`${set}: this revision failed here: ${earlier.message ?? ''}`);
  const plan = planOf(view, set, grant, undefined, () => true);
  if ('blocked' in plan) return blocked(set, plan.blocked);
  const { pairs, cold, changesHash } = plan;
  if (!changesHash && cold.size === 0 && pairs.every(({ what }) => what === 'none'))
    return nothing(`${set}: up to date`);
  const pulling = isSame && earlier.phase === 'Pulling' ? earlier : undefined;
  if (!pulling && !view.mayStart) {
    return { do: 'wait', set, because: heldBack(view), again: view.now + crowded };
  }
  const mistake = mistakeOf(view, plan);
  if (mistake !== undefined) {
    return patch(view, set, claim(view, set, grant, earlier, { reason: 'BadGrant', message: mistake }), mistake);
  }
  const images = imagesFor(view, plan);
  if (images.state === 'absent') {
    const failure = { reason: 'ImageNotFound', message: images.message } as const;
    return patch(view, set, claim(view, set, grant, earlier, failure), images.message);
  }
  if (images.state !== 'there' && view.now < (pulling?.deadline ?? Infinity)) {
    const { image } = images;
    if (!pulling) return patch(view, set, claim(view, set, grant, earlier), `${image} is not on the node`);
    if (images.state === 'missing') return { do: 'pull', set, image };
    return { do: 'wait', set, because: `pulling ${image}`, again: pulling.deadline };
  }
  return patch(view, set, upgrade(view, set, grant, plan, undefined, earlier), `granted ${grant.revision}`);
}

/** A new copy is known by being restarted, so its image must change, and to another than the idle one. */
function mistakeOf({ pod }: View, { pairs }: Plan): string | undefined {
  const idle = pairs.find(
    (pair) =>
      pair.what === 'upgrade' &&
      (pair.image === pair.settings.emptyImage || pair.image === findContainer(pod, pair.new)?.container.image),
  );
  return idle && `${idle.sidecar}: ${idle.image} is what the idle copy runs; it cannot be upgraded to`;
}
