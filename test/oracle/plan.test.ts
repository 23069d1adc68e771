import test from 'ava';
import { isUpdateCompleted, recordedImages } from '../../api/consistency.ts';
import type { Namespace, Pod } from '../../api/kubernetes.ts';
import { readInPlaceStates } from '../../api/pod-annotations.ts';
import { inPlaceStateKey } from '../../api/pod-contract.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { factsOf, unsettledIn } from '../../controller/rollout/facts.ts';
import { plan } from '../../controller/rollout/plan.ts';
import { subjectOf, type Subject } from '../../controller/rollout/subject.ts';
import { oracle } from './corpus.ts';
import { excuseOf } from './excuses/rollout.ts';

interface PlanCase {
  id: string;
  desc: string;
  sidecarSet: SidecarSet;
  pods: Pod[];
  namespaces?: Namespace[];
  out: {
    matched: string[];
    waiting: string[];
    upgrade: string[];
    notUpgradable: string[];
    status: Record<string, unknown>;
    facts: Record<string, string>;
    ties?: boolean;
  };
}

/** Names as in the corpus: with the namespace, unless it is the default one. */
const named = (keys: string[]): string[] => keys.map((key) => key.replace(/^default\//, ''));
const nameOf = ({ metadata }: Pod): string => named([`${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`])[0] ?? '';

/** The facts in the corpus' letters. */
function lettersOf(pod: Pod, subject: Subject): string {
  const facts = factsOf(pod, subject);
  const { isUpdated, isConsistent, isReady } = facts;
  const upgradable = facts.isUpgradable;
  const states = readInPlaceStates(pod.metadata?.annotations?.[inPlaceStateKey]);
  const letters = {
    U: isUpdated,
    C: upgradable,
    S: upgradable && unsettledIn(facts, subject) === undefined,
    K: isConsistent,
    R: isReady,
    D: isUpdateCompleted(pod, subject.containers, () => recordedImages(states, subject.name)),
  };
  return Object.entries(letters)
    .map(([letter, holds]) => (holds ? letter : ''))
    .join('');
}

for (const { id, desc, sidecarSet, pods, namespaces = [], out } of oracle<PlanCase>('plan')) {
  test(`${id} ${desc}`, (t) => {
    // The corpus records selection alone, which does not look at these two.
    const strategy = { ...sidecarSet.spec.updateStrategy, type: 'RollingUpdate', paused: false } as const;
    const set = { ...sidecarSet, spec: { ...sidecarSet.spec, updateStrategy: strategy } };
    const planned = plan(set, pods, { now: 0, namespaces, controllerRevision: 's-rev', collisionCount: 0 });
    const taken = named([...planned.upgrade, ...planned.grant].map(({ namespace, name }) => `${namespace}/${name}`));
    const subject = subjectOf(set, namespaces);
    const matched = pods.filter((pod) => named(planned.matched).includes(nameOf(pod)));
    const { updatedReadyPods, ...status } = planned.status;
    const result = {
      matched: named(planned.matched),
      waiting: named(planned.waiting),
      upgrade: named(planned.waiting).filter((name) => taken.includes(name)),
      notUpgradable: named(planned.notUpgradable),
      status: updatedReadyPods === 0 ? status : { ...status, updatedReadyPods },
      facts: Object.fromEntries(matched.map((pod) => [nameOf(pod), lettersOf(pod, subject)])),
    };
    const { ties = false, ...expected } = out;
    const excused = pods.filter((pod) => excuseOf(set, pod) !== undefined);
    if (excused.length > 0) {
      t.log(`excused: ${excused.map((pod) => `${nameOf(pod)} (${excuseOf(set, pod) ?? ''})`).join(', ')}`);
      t.deepEqual(without(result, excused.map(nameOf)), without(expected, excused.map(nameOf)));
    } else if (ties) {
      t.deepEqual({ ...result, ...untied(result) }, { ...expected, ...untied(expected) });
    } else {
      t.deepEqual(result, expected);
    }
  });
}

type Result = Omit<PlanCase['out'], 'ties'>;

/** What does not depend on pods that are judged otherwise: the others' facts and order. */
function without({ matched, waiting, notUpgradable, facts }: Result, pods: string[]): Partial<Result> {
  const others = (names: string[]): string[] => names.filter((name) => !pods.includes(name));
  return {
    matched,
    waiting: others(waiting),
    notUpgradable: others(notUpgradable),
    facts: Object.fromEntries(Object.entries(facts).filter(([name]) => !pods.includes(name))),
  };
}

/** Of equal pods any may come first, and so be among those that are taken. */
const untied = ({ waiting, upgrade }: Result): { waiting: string[]; upgrade: number } => ({
  waiting: waiting.toSorted(),
  upgrade: upgrade.length,
});
