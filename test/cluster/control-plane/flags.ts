/** What the servers' flags are made of. */
export interface Layout {
  etcdUrl: string;
  peerUrl: string;
  apiPort: number;
  /** Folder of etcd's data. */
  data: string;
  /** Folder in which the API server finds its certificate, and makes one the first time. */
  certificates: string;
  /** User, groups and token of each user. */
  tokens: string;
  serviceAccountKey: string;
  /** kube-controller-manager's own. */
  kubeconfig: string;
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

export const apiServerFlags = ({ etcdUrl, apiPort, certificates, tokens, serviceAccountKey }: Layout): string[] => [
  ...['--etcd-servers', etcdUrl, '--bind-address', '127.0.0.1', '--secure-port', String(apiPort)],
  // No endpoint of the service `kubernetes`: it must not be of the loopback.
  ...['--advertise-address', '127.0.0.1', '--endpoint-reconciler-type', 'none', '--cert-dir', certificates],
  // Webhooks by service without kube-proxy.
  ...['--service-cluster-ip-range', '10.96.0.0/16', '--enable-aggregator-routing', '--allow-privileged'],
  ...['--token-auth-file', tokens, '--authorization-mode', 'Node,RBAC'],
  ...['--enable-admission-plugins', 'NodeRestriction'],
  ...['--service-account-issuer', 'https://kubernetes.default.svc'],
  ...['--service-account-key-file', serviceAccountKey, '--service-account-signing-key-file', serviceAccountKey],
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

export const controllerManagerFlags = ({ kubeconfig, serviceAccountKey, certificates }: Layout): string[] => [
  ...['--kubeconfig', kubeconfig, '--controllers', CONTROLLERS.join(), '--leader-elect=false', '--secure-port', '0'],
  ...['--use-service-account-credentials', '--service-account-private-key-file', serviceAccountKey],
  ...['--root-ca-file', certificateOf({ certificates })],
];
