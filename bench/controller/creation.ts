import { createPods, createSet, makeNamespace, untilStatuses } from './fleet.ts';
import type { Place } from './place.ts';
import { cpuSeconds } from './usage.ts';

export interface Creation {
  /** Pods a second. */
  bare: number;
  injected: number;
  /** While the kubelet writes a status of each. */
  withKubelet: number;
  /** Milliseconds of the controller's processor time for each pod: the review, and following the pod. */
  cpuPerPodMs: number;
}

/** A namespace and a set of its pods, both of this name, and no pods yet. */
export async function makeFleet(place: Place, name: string): Promise<void> {
  await makeNamespace(place, name);
  await createSet(place, name, [{ name: 'side', image: 'side:1', env: [{ name: 'LEVEL', value: 'info' }] }]);
}

/** Pods created in a namespace that the webhook leaves out, and then in one, `cold`, whose pods are injected. */
export async function creationBench(place: Place, count: number): Promise<Creation> {
  const { driver } = place;
  await makeNamespace(place, 'bare', { 'control-plane': 'bench' });
  await makeFleet(place, 'cold');
  const few = Math.ceil(count / 5);
  await createPods(driver, 'bare', 100, '');
  await driver.send('DELETE', '/api/v1/namespaces/bare/pods?gracePeriodSeconds=0');
  const bareSeconds = await createPods(driver, 'bare', few, '');
  await driver.send('DELETE', '/api/v1/namespaces/bare/pods?gracePeriodSeconds=0');
  await makeFleet(place, 'unbound');
  await createPods(driver, 'unbound', 100, '');
  await driver.send('DELETE', '/api/v1/namespaces/unbound/pods?gracePeriodSeconds=0');
  const injectedSeconds = await createPods(driver, 'unbound', few, '');
  await driver.send('DELETE', '/api/v1/namespaces/unbound/pods?gracePeriodSeconds=0');
  const before = place.statuses();
  const cpu = cpuSeconds(place.controller().pid());
  const seconds = await createPods(driver, 'cold', count);
  const cpuPerPodMs = ((cpuSeconds(place.controller().pid()) - cpu) / count) * 1000;
  await untilStatuses(place, before, count);
  return { bare: few / bareSeconds, injected: few / injectedSeconds, withKubelet: count / seconds, cpuPerPodMs };
}
