import type { SidecarSet } from '../../api/sidecar-set.ts';

/** What the author of a SidecarSet or of a pod should know, though the pod is created. */
export interface Warning {
  sidecarSet: string;
  message: string;
}

/** Takes the warnings about one SidecarSet. */
export type Warn = (message: string) => void;
export type WarnOf = (set: SidecarSet) => Warn;
