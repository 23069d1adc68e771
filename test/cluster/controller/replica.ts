import { freePort, type Scope } from '../../helpers/processes.ts';
import { startService, untilReady, type Service } from '../service.ts';

/** One process of `baton controller`. */
export interface Replica extends Service {
  readonly webhookPort: number;
  leads: () => Promise<boolean>;
}

/** Starts one and waits until it serves; it is killed at the end of the test. */
export async function startReplica(t: Scope, kubeconfig: string): Promise<Replica> {
  const webhookPort = await freePort();
  const args = ['controller', `--kubeconfig=${kubeconfig}`, `--webhook-port=${webhookPort}`];
  const service = await startService(t, 'cli/baton.ts', args);
  await untilReady(service);
  return {
    ...service,
    webhookPort,
    leads: async () => /^baton_leader 1$/m.test((await service.page('/metrics'))?.text ?? ''),
  };
}
