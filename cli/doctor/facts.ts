import type { Lease, Node, Pod } from '../../api/kubernetes.ts';
import type { KubernetesObject } from '../../cluster/cluster.ts';

/** What could be read, or why it could not. */
export type Read<T> = { value: T } | { problem: string };

/** An object that is not there is `undefined`. */
export type Found<T> = Read<(T & KubernetesObject) | undefined>;

/** Whom an API server asks. */
export interface ClientConfig {
  caBundle?: string;
  service?: { namespace: string; name: string };
}

export interface WebhookConfiguration {
  webhooks?: {
    name: string;
    clientConfig: ClientConfig;
    rules?: { apiGroups?: string[]; resources?: string[] }[];
  }[];
}

export interface Crd {
  spec: {
    versions: { name: string; served: boolean; storage: boolean }[];
    conversion?: {
      strategy?: string;
      webhook?: { clientConfig?: ClientConfig };
    };
  };
}

export interface PolicyBinding {
  spec: { policyName?: string; validationActions?: string[] };
}

/** What the API server answered to a SidecarSet that it was to check and not to store. */
export interface Trial {
  status: number;
  message: string;
  /** Whether the answer has the defaults that Baton's webhook writes. */
  isDefaulted: boolean;
}

/** All that the checks look at. */
export interface Facts {
  /** Milliseconds since the epoch. */
  now: number;
  /** Where Baton is installed. */
  namespace: string;
  crd: Found<Crd>;
  mutating: Read<(WebhookConfiguration & KubernetesObject)[]>;
  validating: Read<(WebhookConfiguration & KubernetesObject)[]>;
  trial: Read<Trial>;
  /** Certificates that the webhooks are served with, as PEM; undefined where Baton does not keep them itself. */
  serving: Read<string | undefined>;
  policy: Found<object>;
  binding: Found<PolicyBinding>;
  nodes: Read<Node[]>;
  /** Of controller and agents, by the label `app.kubernetes.io/component`. */
  controllers: Read<Pod[]>;
  agents: Read<Pod[]>;
  /** Pods that may be another controller's of SidecarSets. */
  managers: Read<Pod[]>;
  /** The Lease of OpenKruise's leader. */
  lease: Found<Lease>;
}
