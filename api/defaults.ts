import { ApiError } from './error.ts';
import { hashesOf } from './hash.ts';
import { parseImage } from './image.ts';
import { isObject } from './json.ts';
import type { Container, Volume } from './kubernetes.ts';
import { hashKey, hashWithoutImageKey } from './pod-contract.ts';
import { roundUpToMilli } from './quantity.ts';
import type { SidecarContainer, SidecarSet } from './sidecar-set.ts';
import { goFormOfSet } from './wire/sidecar-set.ts';

/**
 * A SidecarSet, of either version, with the defaults that OpenKruise's webhook sets (`sidecarset.md` 1.4), in the form in
 * which Go writes it (empty fields left out, quantities in Go's text), and with both hash annotations. Fields that are not
 * known are kept. The object itself is not changed.
 *
 * @throws ApiError `ERR_BATON_FIELD` if a field has the wrong type, or a `sourceContainerNameFrom` no `fieldRef`
 */
export function withDefaults(object: object): SidecarSet {
  const set = goFormOfSet(object, { amount: roundUpToMilli });
  const { metadata, spec } = set;
  spec.updateStrategy = { type: 'RollingUpdate', partition: 0, maxUnavailable: 1, ...spec.updateStrategy };
  spec.revisionHistoryLimit ??= 10;
  const revision = spec.injectionStrategy?.revision;
  if (revision) revision.policy ??= 'Always';
  for (const patch of spec.patchPodMetadata ?? []) patch.patchPolicy ??= 'Retain';

  for (const kind of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (spec[kind] ?? []).entries()) {
      container.podInjectPolicy ??= kind === 'containers' ? 'BeforeAppContainer' : 'AfterAppContainer';
      defaultSidecar(container, `spec.${kind}[${index}]`);
    }
  }
  spec.volumes?.forEach(defaultVolume);

  const { hash, hashWithoutImage } = hashesOf(
    hasEmptyContainers(object) ? { ...set, spec: { ...spec, containers: [] } } : set,
  );
  metadata.annotations = {
    ...metadata.annotations,
    [hashKey]: hash,
    [hashWithoutImageKey]: hashWithoutImage,
  };
  return set;
}

/** Surprise 2: `containers: []` is hashed as such but not stored, so that the next write hashes no containers at all. */
function hasEmptyContainers(object: object): boolean {
  const { spec } = object as Partial<SidecarSet>;
  return isObject(spec) && Array.isArray(spec['containers']) && spec['containers'].length === 0;
}

function defaultSidecar(container: SidecarContainer, path: string): void {
  container.upgradeStrategy = { upgradeType: 'ColdUpgrade', ...container.upgradeStrategy };
  container.shareVolumePolicy = { type: 'disabled', ...container.shareVolumePolicy };
  for (const [index, { sourceContainerNameFrom }] of (container.transferEnv ?? []).entries()) {
    if (!sourceContainerNameFrom) continue;
    if (!sourceContainerNameFrom.fieldRef) {
      const field = `${path}.transferEnv[${index}].sourceContainerNameFrom.fieldRef`;
      throw new ApiError('ERR_BATON_FIELD', `${field}: must be set`, { facts: { path: field } });
    }
    sourceContainerNameFrom.fieldRef.apiVersion ??= 'v1';
  }
  defaultContainer(container);
}

/** What the API server sets in a pod's container, but for the startup probe (quirk Q13). */
function defaultContainer(container: Container): void {
  container.imagePullPolicy ??= pullPolicy(container.image ?? '');
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  for (const port of container.ports ?? []) port.protocol ??= 'TCP';
  for (const { valueFrom } of container.env ?? []) defaultFieldRef(valueFrom);
  for (const probe of [container.livenessProbe, container.readinessProbe]) {
    if (!probe) continue;
    probe.timeoutSeconds ??= 1;
    probe.periodSeconds ??= 10;
    probe.successThreshold ??= 1;
    probe.failureThreshold ??= 3;
    defaultHttpGet(probe);
  }
  defaultHttpGet(container.lifecycle?.postStart);
  defaultHttpGet(container.lifecycle?.preStop);
}

function defaultHttpGet(handler: { httpGet?: { path?: string; scheme?: string } } | undefined): void {
  if (!handler?.httpGet) return;
  handler.httpGet.path ??= '/';
  handler.httpGet.scheme ??= 'HTTP';
}

function defaultFieldRef(source: { fieldRef?: { apiVersion?: string } } | undefined): void {
  if (source?.fieldRef) source.fieldRef.apiVersion ??= 'v1';
}

/** `Always` for the tag `latest`, also where it is left out; what is no image reference counts as having another tag. */
function pullPolicy(image: string): 'Always' | 'IfNotPresent' {
  // 64 hexadecimal digits are an image's id, not its name.
  const reference = /^[0-9a-f]{64}$/.test(image) ? undefined : parseImage(image);
  if (!reference) return 'IfNotPresent';
  const tag = reference.tag ?? (reference.digest === undefined ? 'latest' : '');
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

const DEFAULT_MODE = 0o644;
const TOKEN_SECONDS = 3600;

function defaultVolume(volume: Volume): void {
  const { hostPath, secret, configMap, downwardAPI, projected } = volume;
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {};
  if (hostPath) hostPath.type ??= '';
  for (const source of [secret, configMap, downwardAPI, projected]) {
    if (source) source.defaultMode ??= DEFAULT_MODE;
  }
  downwardAPI?.items?.forEach(defaultFieldRef);
  // The form holds `null` where Go writes a missing list as such.
  const sources = projected?.sources as NonNullable<typeof projected>['sources'] | null | undefined;
  for (const { downwardAPI, serviceAccountToken } of sources ?? []) {
    downwardAPI?.items?.forEach(defaultFieldRef);
    if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= TOKEN_SECONDS;
  }
}
