import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import { runAgent } from '../agent/main.ts';
import { openNode } from '../agent/node-access.ts';
import { loadDatagrams } from './datagrams.ts';
import type { Io } from './io.ts';
import { UsageError } from './options.ts';
import { configOf, logOf, numberOf, statusOf } from './service.ts';
import { versionOf } from './version.ts';

export const help = `Usage: baton agent [OPTIONS]

Runs Baton's agent of one node until SIGTERM: carries hot upgrades that the controller granted out on the node's pods. deploy/
runs it as a DaemonSet. It needs to be root there, for the kubelet's folders.

Options:
  --node-name NAME             the node whose pods are its own (default $NODE_NAME)
  --max-concurrent-upgrades N  pods that are upgraded at once, each with two copies running (default 3)
  --kubelet-root DIR           the kubelet's root directory, for the sidecars' state files (default /var/lib/kubelet); empty:
                               none is read, and the end of the postStart hook tells that a new copy serves
  --cri-socket ADDRESS         the container runtime (default unix:///run/containerd/containerd.sock); empty: no image is
                               pulled ahead, and no container stopped
  --kubeconfig FILE            how to reach the API server; in a pod, its service account is used
  --metrics-port N             /metrics (default 8080)
  --health-port N              /healthz and /readyz (default 8081)
  --debug                      also /debug/heap, /debug/profile?seconds=N and /debug/state on the health port
  --log-level LEVEL            debug, info, warn or error (default info)
  --help                       this text

Exit status: 0 ended by SIGTERM or SIGINT; 1 it could not go on; 2 wrong usage.
`;

/** Runs `baton agent`; resolves with the exit status. */
export async function runAgentCommand(args: string[], io: Io): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      'node-name': { type: 'string', default: process.env['NODE_NAME'] ?? '' },
      'max-concurrent-upgrades': { type: 'string', default: '3' },
      'kubelet-root': { type: 'string', default: '/var/lib/kubelet' },
      'cri-socket': { type: 'string', default: 'unix:///run/containerd/containerd.sock' },
      kubeconfig: { type: 'string' },
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
  const node = values['node-name'];
  if (node === '') throw new UsageError('there is no $NODE_NAME: give --node-name NAME');
  const kubeletRoot = values['kubelet-root'];
  if (kubeletRoot !== '' && !kubeletRoot.startsWith('/')) {
    throw new UsageError(`--kubelet-root must be an absolute path, not ${kubeletRoot}`);
  }
  const criSocket = socketOf(values['cri-socket']);
  const log = logOf(values['log-level']);
  const ports = {
    metrics: numberOf('metrics-port', values['metrics-port'], 0),
    health: numberOf('health-port', values['health-port'], 0),
  };
  const maxConcurrent = numberOf('max-concurrent-upgrades', values['max-concurrent-upgrades'], 1);
  const config = configOf(values.kubeconfig);
  const bind = loadDatagrams();
  log.info({ kubeletRoot, criSocket, datagrams: bind !== undefined }, 'what it sees of the node');
  const running = runAgent({
    config,
    node,
    version: versionOf(),
    ports,
    maxConcurrent,
    access: (hooks) =>
      openNode({
        ...(criSocket !== undefined && { criSocket }),
        ...(kubeletRoot !== '' && { kubeletRoot }),
        bind,
        now: Date.now,
        ...hooks,
      }),
    debug: values.debug,
    signal: io.signal ?? new AbortController().signal,
    log,
    registry: new Registry(),
  });
  return statusOf(running, 'agent', log);
}

/** The path in an address as the kubelet's `--container-runtime-endpoint` has it, or a path alone; undefined for none. */
function socketOf(address: string): string | undefined {
  if (address === '') return undefined;
  const path = address.replace(/^unix:\/\//, '');
  if (path.startsWith('/')) return path;
  throw new UsageError(`--cri-socket must be unix:///PATH, not ${address}`);
}
