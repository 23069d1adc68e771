import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pod } from '../../api/kubernetes.ts';
import type { StateFile } from '../../api/pod-contract.ts';
import { copies, upgradeKey, versionKey } from '../../api/pod-contract.ts';
import { printRecords, type UpgradeRecord } from '../../api/upgrade-record.ts';
import type { Scope } from '../helpers/processes.ts';

/** A pod, and its volume as the kubelet lays it out. */
export interface PodVolume {
  kubeletRoot: string;
  pod: Pod & { metadata: { uid: string; annotations: Record<string, string> } };
  uid: string;
  /** The volume's own folder. */
  path: string;
  /** A sidecar's folder in it. */
  folder: (sidecar?: string) => string;
}

/** With the versions 7 (serves) and 8 of the sidecar `echo`; its volume is a plain folder, unless `medium` says otherwise. */
export function makeVolume(
  t: Scope,
  { sidecars = ['echo'], medium = '' }: { sidecars?: string[]; medium?: string } = {},
): PodVolume {
  const kubeletRoot = mkdtempSync(join(tmpdir(), 'baton-kubelet-'));
  t.teardown(() => rmSync(kubeletRoot, { recursive: true, force: true }));
  const uid = randomUUID();
  const path = join(kubeletRoot, 'pods', uid, 'volumes', 'kubernetes.io~empty-dir', 'baton');
  const folder = (sidecar = 'echo'): string => join(path, sidecar);
  for (const sidecar of sidecars) mkdirSync(folder(sidecar), { recursive: true, mode: 0o777 });
  const annotations: Record<string, string> = {};
  for (const [first, second] of sidecars.map(copies)) {
    annotations[versionKey(first)] = '7';
    annotations[versionKey(second)] = '8';
  }
  const pod = {
    metadata: { name: 'p', namespace: 'test', uid, annotations },
    spec: {
      volumes: [{ name: 'baton', emptyDir: { medium } }],
      containers: sidecars.flatMap((sidecar) =>
        copies(sidecar).map((name) => ({
          name,
          image: `${sidecar}:1`,
          volumeMounts: [{ name: 'baton', mountPath: '/run/baton', subPath: sidecar }],
        })),
      ),
    },
  };
  return { kubeletRoot, pod, uid, path, folder };
}

/** What a sidecar's process would write. */
export function stateOf(version: string, changes: Partial<StateFile> = {}): StateFile {
  return {
    version,
    role: 'first',
    phase: 'serving',
    pid: 1,
    startedAt: 1000,
    heartbeatAt: 2000,
    holdsListeners: true,
    counters: {},
    ...changes,
  };
}

/** The annotation of an upgrade that is under way, or of one that ended. */
export function recordFor(changes: Partial<UpgradeRecord> = {}): Record<string, string> {
  const record: UpgradeRecord = {
    revision: 'r',
    hash: 'h',
    phase: 'Upgrading',
    startedAt: 1000,
    phaseAt: 1000,
    deadline: 2000,
    sidecars: {},
    previous: { hash: null, working: {}, versions: {}, images: {}, containerIDs: {} },
    emptied: [],
    highestVersion: '8',
    ...changes,
  };
  return { [upgradeKey]: printRecords(new Map([['set', record]])) };
}
