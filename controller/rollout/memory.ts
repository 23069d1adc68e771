import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../../api/kubernetes.ts';
import { factsOf, type PodFacts } from './facts.ts';
import { whyNotMatched } from './matching.ts';
import type { Subject } from './subject.ts';

/** A pod as one set sees it: what is known of it, or why it is none of the set's. */
export type Found = { facts: PodFacts } | { whyNot: string };

/**
 * What the plans of one set have found out about pods, so that each object is read once, however often is planned. Whoever plans
 * again and again keeps one for each set; pods are never changed, a newer one is another object.
 */
export interface Memory {
  subject?: Subject;
  found: WeakMap<Pod, Found>;
}

export const createMemory = (): Memory => ({ found: new WeakMap() });

/** How the set sees a pod; forgets what was found for a spec or namespaces that were others. */
export function lookWith(memory: Memory, subject: Subject): (pod: Pod) => Found {
  if (!memory.subject || !areSame(memory.subject, subject)) memory.found = new WeakMap();
  memory.subject = subject;
  const { found } = memory;
  return (pod) => {
    const known = found.get(pod);
    if (known) return known;
    const whyNot = whyNotMatched(pod, subject);
    const seen = whyNot === undefined ? { facts: factsOf(pod, subject) } : { whyNot };
    found.set(pod, seen);
    return seen;
  };
}

/** The same but for the status. */
const areSame = (a: Subject, b: Subject): boolean =>
  a.set.metadata.uid === b.set.metadata.uid &&
  isDeepStrictEqual(a.set.metadata.annotations, b.set.metadata.annotations) &&
  isDeepStrictEqual(a.set.spec, b.set.spec) &&
  isDeepStrictEqual(a.namespaces, b.namespaces);
