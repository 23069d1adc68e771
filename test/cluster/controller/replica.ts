import { freePort, type Scope } from '../../helpers/processes.ts';
import { BATON, startService, untilReady, type Service } from '../service.ts';

/** One process of `baton controller`; when it ends by itself, another one follows it in its place, as its container would. */
export interface Replica extends Service {
  readonly webhookPort: number;
  leads: () => Promise<boolean>;
}

export interface ReplicaOptions {
  /** A free one unless told. */
  webhookPort?: number;
  /** More of the command line. */
  flags?: readonly string[];
  /** Of Node itself. */
  nodeFlags?: readonly string[];
}

/** Starts one and waits until it serves; it is killed at the end of the test. */
export async function startReplica(t: Scope, kubeconfig: string, options: ReplicaOptions = {}): Promise<Replica> {
  const { webhookPort = await freePort(), flags = [], nodeFlags = [] } = options;
  const args = ['controller', `--kubeconfig=${kubeconfig}`, `--webhook-port=${webhookPort}`, ...flags];
  const service = await startService(t, [...nodeFlags, ...BATON], args, { isFollowed: true });
  await untilReady(service);
  return {
    ...service,
    webhookPort,
    leads: async () => /^baton_leader 1$/m.test((await service.page('/metrics'))?.text ?? ''),
  };
}
