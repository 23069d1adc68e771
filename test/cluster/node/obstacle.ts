import { existsSync } from 'node:fs';
import { delimiter } from 'node:path';
import { hasProgram } from '../binaries/folder.ts';
import type { Source } from '../binaries/source.ts';

/** Debian: containerd runc containernetworking-plugins busybox-static iproute2 util-linux docker-registry skopeo; and kubectl. */
const PROGRAMS = [
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'runc',
  'ip',
  'nsenter',
  'docker-registry',
  'skopeo',
  'kubectl',
];
const FILES = ['/usr/lib/cni/bridge', '/usr/lib/cni/host-local', '/bin/busybox'];
const BINARIES = ['kubelet', 'kube-controller-manager', 'kube-scheduler'];

/** Why this machine cannot be a node; undefined where it can. */
export function obstacle(source: Source, environment = process.env, user = process.getuid?.()): string | undefined {
  if (source.kind === 'none') return source.reason;
  if (user !== 0) return 'a node needs root';
  const folders = (environment['PATH'] ?? '').split(delimiter);
  const program = PROGRAMS.find((name) => !folders.some((folder) => hasProgram(folder, name)));
  if (program !== undefined) return `${program} is not installed`;
  const file = FILES.find((name) => !existsSync(name));
  if (file !== undefined) return `there is no ${file}`;
  // A build makes all of them.
  if (source.kind === 'build') return undefined;
  const binary = BINARIES.find((name) => source.kind === 'download' || !hasProgram(source.folder, name));
  return binary === undefined ? undefined : `${source.folder} has no ${binary}`;
}
