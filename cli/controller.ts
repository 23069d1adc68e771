import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import { runController } from '../controller/main.ts';
import type { Io } from './io.ts';
import { namespaceOf } from './options.ts';
import { configOf, logOf, numberOf, statusOf } from './service.ts';
import { versionOf } from './version.ts';

export const help = `Usage: baton controller [OPTIONS]

Runs Baton's controller until SIGTERM: serves the webhooks that inject sidecars into new pods and check SidecarSets, and, on
the replica that leads, rolls SidecarSets out. deploy/ installs it in a cluster.

Options:
  --kubeconfig FILE            how to reach the API server; in a pod, its service account is used
  --namespace NAME             the controller's own namespace (default $POD_NAMESPACE, else baton-system)
  --history-namespace NAME     where OpenKruise keeps revisions and whitelist, and its leader's Lease (default kruise-system);
                               where there is no such namespace, revisions and whitelist are in the controller's own
  --webhook-certificates DIR   tls.crt and tls.key for the webhooks, as cert-manager mounts them; without it the controller
                               makes its own and keeps them in the Secret baton-webhook
  --webhook-service NAME       the Service that API servers call the webhooks by (default baton-webhook)
  --exclude-namespace NAME     a namespace that gets no sidecars, as in the webhook's configuration; may be given more than
                               once (default kube-system, kube-public)
  --qps N                      requests a second to the API server (default 200), bursts of twice as many
  --parallel N                 pods of one SidecarSet that are written at once (default 16)
  --webhook-port N             (default 9443)
  --metrics-port N             /metrics (default 8080)
  --health-port N              /healthz and /readyz (default 8081)
  --debug                      also /debug/heap, /debug/profile?seconds=N and /debug/state on the health port
  --log-level LEVEL            debug, info, warn or error (default info)
  --help                       this text

Exit status: 0 ended by SIGTERM or SIGINT; 1 it could not go on, or led and lost its lease; 2 wrong usage.
`;

/** Runs `baton controller`; resolves with the exit status. */
export async function runControllerCommand(args: string[], io: Io): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      kubeconfig: { type: 'string' },
      namespace: { type: 'string', default: process.env['POD_NAMESPACE'] ?? 'baton-system' },
      'history-namespace': { type: 'string', default: 'kruise-system' },
      'webhook-certificates': { type: 'string' },
      'webhook-service': { type: 'string', default: 'baton-webhook' },
      'exclude-namespace': { type: 'string', multiple: true, default: ['kube-system', 'kube-public'] },
      qps: { type: 'string', default: '200' },
      parallel: { type: 'string', default: '16' },
      'webhook-port': { type: 'string', default: '9443' },
      'metrics-port': { type: 'string', default: '8080' },
      'health-port': { type: 'string', default: '8081' },
      debug: { type: 'boolean', default: false },
      'log-level': { type: 'string', default: 'info' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const log = logOf(values['log-level']);
  const qps = numberOf('qps', values.qps, 1);
  const { namespace } = values;
  const service = `${values['webhook-service']}.${namespace}`;
  const folder = values['webhook-certificates'];
  const running = runController({
    config: configOf(values.kubeconfig),
    namespace,
    historyNamespace: namespaceOf('history-namespace', values['history-namespace']),
    identity: `${hostname()}_${randomUUID()}`,
    version: versionOf(),
    ports: {
      webhook: numberOf('webhook-port', values['webhook-port'], 0),
      metrics: numberOf('metrics-port', values['metrics-port'], 0),
      health: numberOf('health-port', values['health-port'], 0),
    },
    certificates:
      folder === undefined ? { names: [`${service}.svc`, service, `${service}.svc.cluster.local`] } : { folder },
    limit: { qps, burst: 2 * qps },
    parallel: numberOf('parallel', values.parallel, 1),
    excluded: values['exclude-namespace'].map((name) => namespaceOf('exclude-namespace', name)),
    debug: values.debug,
    signal: io.signal ?? new AbortController().signal,
    log,
    registry: new Registry(),
  });
  return statusOf(running, 'controller', log);
}
