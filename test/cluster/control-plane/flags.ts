/** What the servers' flags are made of. */
export interface Layout {
  etcdUrl: string;
  peerUrl: string;
  /** What the API server listens on. */
  address: string;
  apiPort: number;
  /** The addresses of services. */
  services: string;
  /** Folder of etcd's data. */
  data: string;
  /** Folder in which the API server finds its certificate, and makes one the first time. */
  certificates: string;
  /** User, groups and token of each user. */
  tokens: string;
  serviceAccountKey: string;
  /** Of kube-controller-manager and of kube-scheduler. */
  kubeconfigs: { controllers: string; scheduler: string };
  /** Whether there are real nodes. */
  hasNodes: boolean;
}

/** The API server's certificate, which is its own authority. */
export const certificateOf = ({ certificates }: Pick<Layout, 'certificates'>): string =>
  `${certificates}/apiserver.crt`;

export const etcdFlags = ({ etcdUrl, peerUrl, data }: Layout): string[] => [
  ...['--data-dir', data, '--unsafe-no-fsync', '--log-level', 'warn'],
  ...['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
  ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
  ...['--initial-cluster', `default=${peerUrl}`],
];

export const apiServerFlags = (layout: Layout): string[] => [
  ...['--etcd-servers', layout.etcdUrl, '--bind-address', layout.address, '--secure-port', String(layout.apiPort)],
  // No endpoint of the service `kubernetes`: it must not be of the loopback.
  ...['--advertise-address', layout.address, '--endpoint-reconciler-type', 'none', '--cert-dir', layout.certificates],
  // Webhooks by service without kube-proxy.
  ...['--service-cluster-ip-range', layout.services, '--enable-aggregator-routing', '--allow-privileged'],
  ...['--token-auth-file', layout.tokens, '--authorization-mode', 'Node,RBAC'],
  ...['--kubelet-preferred-address-types', 'InternalIP'],
  ...['--enable-admission-plugins', 'NodeRestriction'],
  ...['--service-account-issuer', 'https://kubernetes.default.svc'],
  ...['--service-account-key-file', layout.serviceAccountKey],
  ...['--service-account-signing-key-file', layout.serviceAccountKey],
];

// Of the others some would fight test nodes, which send no heartbeats, and pods whose node does not exist.
const CONTROLLERS = [
  'namespace-controller',
  'serviceaccount-controller',
  'garbage-collector-controller',
  'root-ca-certificate-publisher-controller',
  'clusterrole-aggregation-controller',
  'validatingadmissionpolicy-status-controller',
  'deployment-controller',
  'replicaset-controller',
  'endpointslice-controller',
];

export const controllerManagerFlags = (layout: Layout): string[] => [
  ...['--kubeconfig', layout.kubeconfigs.controllers, '--leader-elect=false', '--secure-port', '0'],
  ...['--controllers', layout.hasNodes ? '*' : CONTROLLERS.join()],
  ...['--use-service-account-credentials', '--service-account-private-key-file', layout.serviceAccountKey],
  ...['--root-ca-file', certificateOf(layout)],
];

export const schedulerFlags = ({ kubeconfigs }: Layout): string[] => [
  ...['--kubeconfig', kubeconfigs.scheduler, '--leader-elect=false', '--secure-port', '0'],
];
