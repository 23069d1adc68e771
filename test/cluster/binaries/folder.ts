import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What is built; kube/go.mod, etcd/go.mod and helm/go.mod say the same (a test compares). */
export const KUBERNETES_VERSION = '1.34.4';
export const ETCD_VERSION = '3.6.16';
export const HELM_VERSION = '4.3.1';

/** Without these there is no control plane. */
export const NEEDED = ['kube-apiserver', 'etcd'] as const;
/** What a build makes: also what brings namespaces and nodes to life. Release archives have none of these. */
export const BUILT = [...NEEDED, 'kube-controller-manager', 'kube-scheduler', 'kubelet'] as const;

export const hasProgram = (folder: string, name: string): boolean => {
  try {
    accessSync(join(folder, name), constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

export const missingIn = (folder: string, names: readonly string[]): string[] =>
  names.filter((name) => !hasProgram(folder, name));

type Environment = Readonly<Record<string, string | undefined>>;

/** Where binaries are kept between runs; can be deleted at any time. */
export const cacheFolder = (environment: Environment): string =>
  join(environment['XDG_CACHE_HOME'] || join(environment['HOME'] ?? homedir(), '.cache'), 'baton-test');

/** The folder of the built ones, named after their versions. */
export const builtFolder = (cache: string): string => join(cache, `kube-${KUBERNETES_VERSION}-etcd-${ETCD_VERSION}`);

/** Helm's, likewise. */
export const helmFolder = (cache: string): string => join(cache, `helm-${HELM_VERSION}`);

/** The folder of a release archive's. */
export const downloadedFolder = (cache: string, version: string): string => join(cache, `envtest-${version}`);
