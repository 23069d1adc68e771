/** The Kubernetes objects that Baton reads and writes, as they are on the wire. */
export type { ControllerRevision } from 'kubernetes-types/apps/v1.d.ts';
export type { Lease } from 'kubernetes-types/coordination/v1.d.ts';
export type {
  Container,
  ContainerStatus,
  EnvVar,
  LocalObjectReference,
  Namespace,
  Node,
  Pod,
  PodCondition,
  PodSpec,
  Volume,
  VolumeDevice,
  VolumeMount,
} from 'kubernetes-types/core/v1.d.ts';
export type { LabelSelector, ObjectMeta } from 'kubernetes-types/meta/v1.d.ts';
