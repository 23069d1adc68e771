/*
 * A contender for a lease, to be killed: `contender.ts KUBECONFIG NAMESPACE IDENTITY`. Prints `leading` when it begins to
 * lead; ends in good order at SIGTERM.
 */
import { contend } from '../../../cluster/kubernetes/election.ts';
import { DURATIONS } from '../../../cluster/kubernetes/lease.ts';
import { connect } from './connect.ts';

const [kubeconfig = '', namespace = '', identity = ''] = process.argv.slice(2);
const abort = new AbortController();
process.on('SIGTERM', () => abort.abort());
console.log('ready');
await contend({
  cluster: connect({ kubeconfigs: { admin: kubeconfig } }, { timeout: DURATIONS.giveUp - DURATIONS.renew }),
  key: { namespace, name: 'test' },
  identity,
  signal: abort.signal,
  report: (told) => console.log(told.type),
  lead: (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
});
process.exit();
