import { freePort, type Scope } from '../../helpers/processes.ts';
import { startService, untilReady, type Service } from '../service.ts';

/** One process of `baton controller`. */
export interface Replica extends Service {
  readonly webhookPort: number;
  leads: () => Promise<boolean>;
}

export interface ReplicaOptions {
  /** What Node runs; the sources unless told. */
  program?: readonly string[];
  /** A free one unless told. */
  webhookPort?: number;
  /** More of the command line. */
  flags?: readonly string[];
}

/** Starts one and waits until it serves; it is killed at the end of the test. */
export async function startReplica(t: Scope, kubeconfig: string, options: ReplicaOptions = {}): Promise<Replica> {
  const { program = ['--import=tsx', 'cli/baton.ts'], webhookPort = await freePort(), flags = [] } = options;
  const args = [...program, 'controller', `--kubeconfig=${kubeconfig}`, `--webhook-port=${webhookPort}`, ...flags];
  const service = await startService(t, args);
  await untilReady(service);
  return {
    ...service,
    webhookPort,
    leads: async () => /^baton_leader 1$/m.test((await service.page('/metrics'))?.text ?? ''),
  };
}
