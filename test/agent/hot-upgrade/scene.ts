import type { Grant, GrantedSidecar } from '../../../api/grant.ts';
import { printGrants } from '../../../api/grant.ts';
import type { ContainerStatus, Pod } from '../../../api/kubernetes.ts';
import type { StateFile } from '../../../api/pod-contract.ts';
import {
  grantKey,
  hashKey,
  injectedListKey,
  versionAltKey,
  versionKey,
  workingKey,
} from '../../../api/pod-contract.ts';
import type { UpgradeRecord } from '../../../api/upgrade-record.ts';
import { readRecords } from '../../../api/upgrade-record.ts';
import { upgradeKey } from '../../../api/pod-contract.ts';
import type { Step } from '../../../agent/hot-upgrade/step.ts';
import type { Memory, View } from '../../../agent/hot-upgrade/view.ts';

/** The moment at which a scene is looked at. */
export const now = Date.parse('2026-01-01T12:00:00.000Z');
export const rfc = (time: number): string => new Date(time).toISOString();

export interface ContainerScene {
  name: string;
  image: string;
  id?: string;
  status?: Partial<ContainerStatus>;
  native?: boolean;
}

/** A pod of one set `s`, with the annotations that are given. */
export function podOf(containers: readonly ContainerScene[], annotations: Record<string, string>): Pod {
  const spec = (native: boolean) =>
    containers
      .filter((container) => (container.native ?? false) === native)
      .map(({ name, image }) => ({ name, image, imagePullPolicy: 'IfNotPresent' as const }));
  const statuses = (native: boolean) =>
    containers
      .filter((container) => (container.native ?? false) === native)
      .map(({ name, image, id, status }): ContainerStatus => ({
        name,
        image,
        imageID: `id/${image}`,
        containerID: `containerd://${id ?? `${name}-life1`}`,
        ready: true,
        restartCount: 0,
        state: { running: { startedAt: rfc(now - 3_600_000) } },
        ...status,
      }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default', uid: 'u', resourceVersion: '900', annotations },
    spec: { containers: spec(false), initContainers: spec(true), nodeName: 'n' },
    status: { phase: 'Running', containerStatuses: statuses(false), initContainerStatuses: statuses(true) },
  };
}

/** The annotations of a pod that set `s` was injected into with these hot sidecars, and then nothing happened. */
export function injectedAnnotations(...sidecars: string[]): Record<string, string> {
  const entry = { updateTimestamp: '2025-01-01T00:00:00Z', hash: 'h1', sidecarSetName: 's', sidecarList: sidecars };
  const annotations: Record<string, string> = {
    [hashKey]: JSON.stringify({ s: { ...entry, controllerRevision: 's-1' } }),
    [injectedListKey]: 's',
    [workingKey]: JSON.stringify(Object.fromEntries(sidecars.map((name) => [name, `${name}-1`]))),
  };
  for (const name of sidecars) {
    annotations[versionKey(`${name}-1`)] = '1';
    annotations[versionKey(`${name}-2`)] = '0';
    annotations[versionAltKey(`${name}-1`)] = '0';
    annotations[versionAltKey(`${name}-2`)] = '1';
  }
  return annotations;
}

export function grantOf(hash: string, sidecars: Record<string, GrantedSidecar>, changes: Partial<Grant> = {}): Grant {
  const sidecarList = Object.keys(sidecars).sort();
  const fixed = { v: 1, version: '200', controllerRevision: `s-${hash}`, grantedAt: rfc(now) } as const;
  return { ...fixed, revision: hash, hash, sidecarList, sidecars, ...changes };
}

export const granted = (grant: Grant): Record<string, string> => ({ [grantKey]: printGrants(new Map([['s', grant]])) });

/** A state file that is one heartbeat old. */
export function stateFile(version: string, phase: StateFile['phase'], changes: Partial<StateFile> = {}): StateFile {
  return {
    version,
    role: 'first',
    phase,
    pid: 1,
    startedAt: now - 60_000,
    heartbeatAt: now - 500,
    holdsListeners: phase === 'serving' || phase === 'draining' || phase === 'drained',
    counters: {},
    ...changes,
  };
}

export function viewOf(pod: Pod, changes: Partial<View> = {}): View {
  return { pod, now, stateFiles: new Map(), mayStart: true, ...changes };
}

export const seen: Memory = { firstLookAt: now - 3_600_000 };

/** Applies a step's patch as the API server does. Written apart from the code that is tested. */
export function applied(pod: Pod, step: Step): Pod {
  if (step.do !== 'patch') throw new Error(`no patch: ${JSON.stringify(step)}`);
  if (step.resourceVersion !== pod.metadata?.resourceVersion) throw new Error('conflict');
  const copy = structuredClone(pod) as unknown as Record<string, unknown>;
  for (const operation of step.patch) {
    const keys = operation.path.split('/').slice(1);
    const last = keys.pop() ?? '';
    const parent = keys.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], copy);
    const key = last.replaceAll('~1', '/').replaceAll('~0', '~');
    if (operation.op !== 'add' && operation.op !== 'replace') throw new Error(`unexpected ${operation.op}`);
    (parent as Record<string, unknown>)[key] = operation.value;
  }
  const patched = copy as unknown as Pod;
  return { ...patched, metadata: { ...patched.metadata, resourceVersion: `${step.resourceVersion}1` } };
}

export function recordOn(pod: Pod): UpgradeRecord {
  const records = readRecords(pod.metadata?.annotations?.[upgradeKey]);
  const record = 'problem' in records ? undefined : records.value.get('s');
  if (!record || 'problem' in record) throw new Error('no record');
  return record.value;
}

export const imagesOn = (pod: Pod): Record<string, string | undefined> =>
  Object.fromEntries(
    [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].map(({ name, image }) => [name, image]),
  );

/** Images that are on the node. */
export const there = (...images: readonly string[]): Map<string, string[]> =>
  new Map(images.map((image) => [image, [`id/${image}`]]));
