import type { Container, LabelSelector, LocalObjectReference, ObjectMeta, Volume } from './kubernetes.ts';

/** A number, or a percentage such as `10%`. */
export type IntOrPercent = number | string;

/** A SidecarSet as `v1beta1`, the stored version; `sidecarset.md` 1.1 and 1.2, and the fields that Baton adds (design section 4). */
export interface SidecarSet {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  spec: SidecarSetSpec;
  status?: SidecarSetStatus;
}

export interface SidecarSetSpec {
  selector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  initContainers?: SidecarContainer[];
  containers?: SidecarContainer[];
  volumes?: Volume[];
  updateStrategy?: UpdateStrategy;
  injectionStrategy?: InjectionStrategy;
  imagePullSecrets?: LocalObjectReference[];
  revisionHistoryLimit?: number;
  patchPodMetadata?: PodMetadataPatch[];
  customVersion?: string;
}

export interface SidecarContainer extends Container {
  podInjectPolicy?: 'BeforeAppContainer' | 'AfterAppContainer';
  upgradeStrategy?: UpgradeStrategy;
  shareVolumePolicy?: SharePolicy;
  shareVolumeDevicePolicy?: SharePolicy;
  transferEnv?: TransferEnv[];
  resourcesPolicy?: ResourcesPolicy;
}

export interface UpgradeStrategy {
  upgradeType?: 'ColdUpgrade' | 'HotUpgrade';
  hotUpgradeEmptyImage?: string;
  migrationTimeoutSeconds?: number;
  drainTimeoutSeconds?: number;
  soakSeconds?: number;
  rollback?: 'Automatic' | 'Never';
}

export interface SharePolicy {
  type?: 'enabled' | 'disabled';
}

export interface TransferEnv {
  sourceContainerName?: string;
  sourceContainerNameFrom?: { fieldRef?: { apiVersion?: string; fieldPath?: string } };
  envName?: string;
  envNames?: string[];
}

export interface ResourcesPolicy {
  targetContainersMode: 'sum' | 'max';
  targetContainersNameRegex?: string;
  resourcesExpr: { limits?: ResourceExpressions; requests?: ResourceExpressions };
}

export interface ResourceExpressions {
  cpu?: string;
  memory?: string;
}

export interface UpdateStrategy {
  type?: 'NotUpdate' | 'RollingUpdate';
  paused?: boolean;
  selector?: LabelSelector;
  partition?: IntOrPercent;
  maxUnavailable?: IntOrPercent;
  failureThreshold?: IntOrPercent;
  priorityStrategy?: {
    weightPriority?: { weight: number; matchSelector: LabelSelector }[];
    orderPriority?: { orderedKey: string }[];
  };
  scatterStrategy?: { key: string; value: string }[];
}

export interface InjectionStrategy {
  paused?: boolean;
  revision?: { customVersion?: string; revisionName?: string; policy?: 'Always' | 'Partial' };
}

export interface PodMetadataPatch {
  annotations?: Record<string, string>;
  patchPolicy?: 'Retain' | 'Overwrite' | 'MergePatchJson';
}

export interface SidecarSetStatus {
  observedGeneration?: number;
  matchedPods: number;
  updatedPods: number;
  readyPods: number;
  updatedReadyPods?: number;
  latestRevision?: string;
  collisionCount?: number;
}
