import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGuardian } from '../../../local/guardian.ts';
import { hasProgram } from '../binaries/folder.ts';
import { type Access, ask } from './api.ts';
import {
  apiServerFlags,
  certificateOf,
  controllerManagerFlags,
  etcdFlags,
  schedulerFlags,
  type Layout,
} from './flags.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { freePorts } from './ports.ts';
import { createServer, type Server } from './server.ts';

/** How to reach a control plane; plain data, so that another process can have it. */
export interface ControlPlaneFacts {
  url: string;
  ca: string;
  /** User -> token; `admin` may do everything. */
  tokens: Record<string, string>;
  /** User -> a kubeconfig file. */
  kubeconfigs: Record<string, string>;
  /** Whether kube-controller-manager runs: namespaces are emptied when deleted, what lost its owner is collected. */
  hasControllers: boolean;
}

/** A control plane of this process's own, whose servers can be made to misbehave. */
export interface OwnControlPlane extends ControlPlaneFacts {
  readonly etcd: Server;
  readonly apiServer: Server;
  /** Ends everything, and removes its folder. Safe to call twice. */
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /** Folder of the binaries. */
  binaries: string;
  /** More users: name -> groups. A node is `system:node:NAME`, of the group `system:nodes`. */
  users?: Readonly<Record<string, readonly string[]>>;
  apiServerFlags?: readonly string[];
  /** Runs kube-controller-manager where its binary is there (release archives have none). The default is true. */
  controllers?: boolean;
  /**
   * For real nodes: the API server listens on this address of the machine's, which is the first one of the services' range
   * and of the service `kubernetes`, so that pods reach it as in any cluster. All controllers and the scheduler run.
   */
  nodes?: { address: string; services: string };
  /** An empty folder for its state, removed at the end; else one is made under the temporary folder. */
  folder?: string;
}

const CONTROLLER_MANAGER = 'system:kube-controller-manager';
const SCHEDULER = 'system:kube-scheduler';

/**
 * Starts etcd, kube-apiserver and kube-controller-manager on free ports of the loopback, with Node and RBAC authorization,
 * and waits until they answer. They end, and their state is removed, with `stop`, and when this process is gone, however
 * it went.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<OwnControlPlane> {
  const { binaries, users = {}, controllers = true, nodes } = options;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'baton-cluster-'));
  const guardian = startGuardian(folder);
  const at = (name: string): string => join(folder, name);
  const kubeconfig = (user: string): string => at(`${user.replaceAll(':', '-')}.kubeconfig`);
  const [clientPort = 0, peerPort = 0, freePort = 0] = await freePorts(3);
  const { address, services } = nodes ?? { address: '127.0.0.1', services: '10.96.0.0/16' };
  const apiPort = nodes ? 443 : freePort;
  const layout: Layout = {
    etcdUrl: `http://127.0.0.1:${clientPort}`,
    peerUrl: `http://127.0.0.1:${peerPort}`,
    address,
    apiPort,
    services,
    data: at('etcd'),
    certificates: at('certificates'),
    tokens: at('tokens.csv'),
    serviceAccountKey: at('service-accounts.key'),
    kubeconfigs: { controllers: kubeconfig(CONTROLLER_MANAGER), scheduler: kubeconfig(SCHEDULER) },
    hasNodes: nodes !== undefined,
  };
  const hasControllers = controllers && hasProgram(binaries, 'kube-controller-manager');
  const own = { [CONTROLLER_MANAGER]: [], [SCHEDULER]: [] };
  const groupsOf: Record<string, readonly string[]> = { admin: ['system:masters'], ...users, ...own };
  const tokens = Object.fromEntries(Object.keys(groupsOf).map((user) => [user, randomBytes(16).toString('hex')]));

  const access = (user: string): Access => ({
    url: `https://${address}:${apiPort}`,
    ca: readFileSync(certificateOf(layout), 'utf8'),
    token: tokens[user] ?? '',
  });
  const isServing = async (path: string): Promise<boolean> => {
    try {
      return (await ask(access('admin'), 'GET', path)) !== '';
    } catch {
      return false;
    }
  };
  const server = (name: string, args: string[], isReady: () => Promise<boolean>): Server =>
    createServer({ name, program: join(binaries, name), args, log: at(`${name}.log`), guardian, isReady });
  const etcd = server('etcd', etcdFlags(layout), () => isHealthy(`${layout.etcdUrl}/health`));
  const flags = [...apiServerFlags(layout), ...(options.apiServerFlags ?? [])];
  const apiServer = server('kube-apiserver', flags, () => isServing('/readyz'));
  const controllerManager = server('kube-controller-manager', controllerManagerFlags(layout), () =>
    isServing('/api/v1/namespaces/default/serviceaccounts/default'),
  );
  // It answers nobody.
  const scheduler = server('kube-scheduler', schedulerFlags(layout), () => Promise.resolve(true));

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopped ??= (async () => {
      // Nothing of it is kept, so nobody is asked.
      await Promise.all([scheduler, controllerManager, apiServer, etcd].map((one) => one.kill()));
      await guardian.dismiss();
      rmSync(folder, { recursive: true, force: true });
    })());
  try {
    const rows = Object.entries(groupsOf).map(([user, groups]) => `${tokens[user]},${user},${user},"${groups.join()}"`);
    writeFileSync(layout.tokens, `${rows.join('\n')}\n`, { mode: 0o600 });
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(layout.serviceAccountKey, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
    mkdirSync(layout.certificates, { mode: 0o700 });
    await etcd.start();
    await apiServer.start();
    for (const user of Object.keys(groupsOf)) writeKubeconfig(kubeconfig(user), access(user));
    if (hasControllers) await controllerManager.start();
    if (nodes) await scheduler.start();
  } catch (error) {
    await stop();
    throw error;
  }
  const shown = Object.keys(groupsOf).filter((user) => !(user in own));
  const { url, ca } = access('admin');
  return {
    url,
    ca,
    tokens: Object.fromEntries(shown.map((user) => [user, tokens[user] ?? ''])),
    kubeconfigs: Object.fromEntries(shown.map((user) => [user, kubeconfig(user)])),
    hasControllers,
    etcd,
    apiServer,
    stop,
  };
}

const isHealthy = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
};
