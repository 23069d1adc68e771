import type * as generated from './generated/sidecar-set.ts';
import type { Container, ObjectMeta, Volume } from './kubernetes.ts';

export type {
  InjectionStrategy,
  PodMetadataPatch,
  ResourceExpressions,
  ResourcesPolicy,
  ScatterTerm,
  SharePolicy,
  SidecarSetCondition,
  SidecarSetStatus,
  TransferEnv,
  UpdateStrategy,
  UpgradeStrategy,
} from './generated/sidecar-set.ts';

/** A number, or a percentage such as `10%`. */
export type IntOrPercent = number | string;

/** A SidecarSet as `v1beta1`, the stored version: the generated types, with those of core/v1 where the CRD has no schema. */
export interface SidecarSet extends generated.SidecarSet {
  metadata: ObjectMeta;
  spec: SidecarSetSpec;
}

export interface SidecarSetSpec extends generated.SidecarSetSpec {
  initContainers?: SidecarContainer[];
  containers?: SidecarContainer[];
  volumes?: Volume[];
}

/** A container to inject; its Baton fields and OpenKruise's are in the CRD, the rest is core/v1's. */
export interface SidecarContainer extends Container, generated.SidecarContainer {}
