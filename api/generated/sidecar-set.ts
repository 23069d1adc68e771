// Generated from api/crd/sidecar-set.yaml by `npm run generate`; do not edit.
/* eslint-disable @typescript-eslint/no-empty-object-type */

/**
 * Sidecars for all pods that a selector matches, injected and kept up to date.
 */
export interface SidecarSet {
  /**
   * Version of this object, as `apps.kruise.io/v1beta1`.
   */
  apiVersion?: string;
  /**
   * `SidecarSet`.
   */
  kind?: string;
  metadata?: {};
  spec?: SidecarSetSpec;
  status?: SidecarSetStatus;
}
/**
 * Which pods get which sidecars, and how changes reach them.
 *
 */
export interface SidecarSetSpec {
  selector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  /**
   * Init containers, injected when a pod is created; with `restartPolicy: Always` they are native sidecars.
   */
  initContainers?: SidecarContainer[];
  /**
   * Sidecars, injected when a pod is created and kept up to date.
   */
  containers?: SidecarContainer[];
  /**
   * Volumes that the sidecars mount, as in core/v1.
   */
  volumes?: {}[];
  updateStrategy?: UpdateStrategy;
  injectionStrategy?: InjectionStrategy;
  /**
   * Secrets for pulling the images, added when a pod is created.
   */
  imagePullSecrets?: {
    /**
     * Name of a Secret in the pod's namespace.
     */
    name?: string;
  }[];
  /**
   * How many old revisions are kept; 10 if not set.
   */
  revisionHistoryLimit?: number;
  /**
   * Annotations that come with the sidecars.
   */
  patchPodMetadata?: PodMetadataPatch[];
  /**
   * Your own name for this revision, to find or inject it by.
   */
  customVersion?: string;
}
/**
 * Objects by their labels; all conditions must hold.
 *
 */
export interface LabelSelector {
  /**
   * Labels that must be there with exactly these values.
   */
  matchLabels?: {
    [k: string]: string;
  };
  /**
   * Conditions on labels.
   */
  matchExpressions?: LabelSelectorRequirement[];
}
export interface LabelSelectorRequirement {
  /**
   * Key of the label.
   */
  key: string;
  /**
   * In, NotIn, Exists or DoesNotExist.
   */
  operator: string;
  /**
   * Values for In and NotIn.
   */
  values?: string[];
}
/**
 * A core/v1 Container with these fields beside its own.
 *
 */
export interface SidecarContainer {
  /**
   * `BeforeAppContainer` (default for containers) puts it in front of the pod's own, `AfterAppContainer` (default for init containers) behind them.
   */
  podInjectPolicy?: string;
  upgradeStrategy?: UpgradeStrategy;
  shareVolumePolicy?: SharePolicy;
  shareVolumeDevicePolicy?: SharePolicy;
  /**
   * Environment variables taken over from containers of the pod.
   */
  transferEnv?: TransferEnv[];
  resourcesPolicy?: ResourcesPolicy;
}
/**
 * How a new image reaches running pods.
 *
 */
export interface UpgradeStrategy {
  /**
   * `ColdUpgrade` (default) restarts the container; of the two copies of `HotUpgrade` the idle one takes over.
   */
  upgradeType?: string;
  /**
   * Image of the idle copy: it must start with the same command, hooks and probes as the sidecar, and do nothing.
   */
  hotUpgradeEmptyImage?: string;
  /**
   * Baton: how long the new copy may take until it serves; 300 if not set. Then the upgrade is rolled back.
   */
  migrationTimeoutSeconds?: number;
  /**
   * Baton: how long the old copy may take to finish its connections; 600 if not set.
   */
  drainTimeoutSeconds?: number;
  /**
   * Baton: how long the old copy stays able to take back after the new one serves; 0 if not set.
   */
  soakSeconds?: number;
  /**
   * Baton: whether a failed upgrade is undone; `Automatic` if not set. `Never` leaves both copies as they are.
   */
  rollback?: 'Automatic' | 'Never';
}
/**
 * Whether the sidecar shares what the pod's own containers have.
 *
 */
export interface SharePolicy {
  /**
   * `enabled` or `disabled`.
   */
  type?: string;
}
export interface TransferEnv {
  /**
   * Name of the container.
   */
  sourceContainerName?: string;
  /**
   * Where the container's name stands; wins over `sourceContainerName`.
   */
  sourceContainerNameFrom?: {
    /**
     * A label or annotation of the pod.
     */
    fieldRef?: {
      /**
       * `v1`.
       */
      apiVersion?: string;
      /**
       * `metadata.labels['<key>']` or `metadata.annotations['<key>']`.
       */
      fieldPath: string;
    };
  };
  /**
   * Name of a variable.
   */
  envName?: string;
  /**
   * Names of more variables.
   */
  envNames?: string[];
}
/**
 * Computes the sidecar's resources from those of the pod's containers, when the pod is created.
 *
 */
export interface ResourcesPolicy {
  /**
   * Whether the containers count together (`sum`) or the largest alone (`max`).
   */
  targetContainersMode: 'sum' | 'max';
  /**
   * Which containers count, as a regular expression (RE2) on their names.
   */
  targetContainersNameRegex?: string;
  /**
   * The sidecar's limits and requests; at least one of them.
   */
  resourcesExpr: {
    limits?: ResourceExpressions;
    requests?: ResourceExpressions;
  };
}
/**
 * Expressions over what the pod's containers have together.
 *
 */
export interface ResourceExpressions {
  /**
   * Over `cpu`, such as `max(cpu*50%, 50m)`.
   */
  cpu?: string;
  /**
   * Over `memory`, such as `200Mi`.
   */
  memory?: string;
}
/**
 * How changes reach the pods that are running.
 *
 */
export interface UpdateStrategy {
  /**
   * `RollingUpdate` (default) updates running pods, `NotUpdate` only injects into new ones.
   */
  type?: string;
  /**
   * Stops updating; new pods are still injected.
   */
  paused?: boolean;
  selector?: LabelSelector;
  /**
   * How many pods keep the old revision, as a number or a percentage; 0 if not set.
   */
  partition?: number | string;
  /**
   * How many pods may be unavailable during the update, as a number or a percentage; 1 if not set.
   */
  maxUnavailable?: number | string;
  /**
   * Baton: at how many failed pods the update halts, as a number or a percentage; 1 if not set.
   */
  failureThreshold?: number | string;
  priorityStrategy?: PriorityStrategy;
  /**
   * Pods with one of these labels are spread over the whole update.
   */
  scatterStrategy?: ScatterTerm[];
}
/**
 * Which pods are updated first.
 *
 */
export interface PriorityStrategy {
  /**
   * By the first of these labels that a pod has, then by the number that ends its value, higher first.
   */
  orderPriority?: {
    /**
     * Key of the label.
     */
    orderedKey: string;
  }[];
  /**
   * By the sum of the weights that match, higher first.
   */
  weightPriority?: {
    /**
     * 1 to 100.
     */
    weight: number;
    matchSelector: LabelSelector;
  }[];
}
export interface ScatterTerm {
  /**
   * Key of the label.
   */
  key: string;
  /**
   * Its value; `*` is each value that there is.
   */
  value: string;
}
/**
 * How new pods get the sidecars.
 *
 */
export interface InjectionStrategy {
  /**
   * Stops injecting; running pods are still updated.
   */
  paused?: boolean;
  /**
   * Injects an older revision instead of the newest.
   */
  revision?: {
    /**
     * Custom version of the revision.
     */
    customVersion?: string;
    /**
     * Name of the revision's ControllerRevision; wins over `customVersion`.
     */
    revisionName?: string;
    /**
     * `Always` injects it into every new pod, `Partial` into as many as the update leaves old.
     */
    policy?: 'Always' | 'Partial';
  };
}
export interface PodMetadataPatch {
  /**
   * The annotations, by their keys; the whitelist says which are allowed.
   */
  annotations?: {
    [k: string]: string;
  };
  /**
   * `Retain` (default) sets what is missing, `Overwrite` sets all, `MergePatchJson` merges the values as JSON.
   */
  patchPolicy?: string;
}
/**
 * What is seen of the pods.
 *
 */
export interface SidecarSetStatus {
  /**
   * Generation of the spec that this describes.
   */
  observedGeneration?: number;
  /**
   * How many pods have the sidecars.
   */
  matchedPods: number;
  /**
   * How many of them are at the newest revision.
   */
  updatedPods: number;
  /**
   * How many of them are ready.
   */
  readyPods: number;
  /**
   * How many are both.
   */
  updatedReadyPods?: number;
  /**
   * Name of the newest revision's ControllerRevision.
   */
  latestRevision?: string;
  /**
   * How often a revision's name was taken.
   */
  collisionCount?: number;
  /**
   * Name of the revision that new pods get while the rollout is halted.
   */
  injectedRevision?: string;
  /**
   * Whether the rollout goes on (Progressing), stands still (Halted) or needs somebody (Degraded).
   */
  conditions?: SidecarSetCondition[];
}
/**
 * One aspect of the rollout, as Kubernetes' conditions are.
 *
 */
export interface SidecarSetCondition {
  /**
   * Progressing, Halted or Degraded.
   */
  type: string;
  /**
   * True, False or Unknown.
   */
  status: 'True' | 'False' | 'Unknown';
  /**
   * Generation of the spec that this describes.
   */
  observedGeneration?: number;
  /**
   * When the status changed last.
   */
  lastTransitionTime: string;
  /**
   * Why, in a word.
   */
  reason: string;
  /**
   * Why, for people.
   */
  message: string;
}
