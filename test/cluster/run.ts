/*
 * A real control plane to play with: see the help. `npm test` first has the binaries fetched, so that no test waits for them.
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../../sdk/errors.ts';
import { getBinaries } from './binaries/get.ts';
import { getHelm, helmHere } from './binaries/helm.ts';
import { sourceHere } from './binaries/machine.ts';
import { startProgress } from './binaries/progress.ts';
import { startControlPlane } from './control-plane/start.ts';
import { obstacle } from './node/obstacle.ts';
import { startCluster } from './node/start.ts';

const help = `Usage: npm run cluster [-- OPTIONS]

Starts etcd, kube-apiserver and, where its binary is there, kube-controller-manager on free ports of the loopback, prints
the KUBECONFIG to use, and ends them, with everything in them, at Ctrl-C. No root is needed, and nothing else runs: no
scheduler and no node, but with --node.

The binaries come from the folder KUBEBUILDER_ASSETS, or they are built from Go modules, once, into
$XDG_CACHE_HOME/baton-test or ~/.cache/baton-test, or, without Go, downloaded from the releases for envtest.

Options:
  --node     also starts all controllers, the scheduler and a real node (containerd and kubelet, on a bridge of their own);
             needs root, and what CONTRIBUTING.md names. Images: npm run image, then ctr with the socket that is printed
  --prepare  only gets the binaries, and Helm; where none can be had that is an error with BATON_CLUSTER=required only
  --help     this text

Exit status: 0 success, 1 failure, 2 wrong usage.
`;

async function main(args: string[]): Promise<number> {
  let options: { help?: boolean; node?: boolean; prepare?: boolean };
  try {
    const flag = { type: 'boolean' } as const;
    options = parseArgs({ args, options: { help: flag, node: flag, prepare: flag } }).values;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n${help}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  const source = await sourceHere();
  if (source.kind === 'none' && options.prepare && process.env['BATON_CLUSTER'] !== 'required') {
    process.stderr.write(`# tests against a real control plane will be skipped, because ${source.reason}\n`);
    return 0;
  }
  const reason = options.node ? obstacle(source) : undefined;
  if (reason !== undefined) throw new Error(`no node: ${reason}`);
  const tell = startProgress((line) => process.stderr.write(line));
  const binaries = await getBinaries(source, tell);
  if (options.prepare) {
    const helm = await helmHere();
    if (!('reason' in helm)) await getHelm(helm, tell);
    process.stdout.write(`${binaries}\n`);
    return 0;
  }
  // From now on: whoever asks while it starts waits until it can be ended.
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
  const cluster = options.node ? await startCluster({ binaries }) : undefined;
  const controlPlane = cluster ?? (await startControlPlane({ binaries }));
  process.stdout.write(`export KUBECONFIG=${controlPlane.kubeconfigs['admin'] ?? ''}\n`);
  for (const { socket } of cluster?.nodes ?? [])
    process.stdout.write(`export CONTAINERD_ADDRESS=${socket} CONTAINERD_NAMESPACE=k8s.io\n`);
  process.stderr.write('# Ctrl-C ends it\n');
  // A promise alone keeps no process running.
  const alive = setInterval(() => undefined, 60_000);
  await asked;
  clearInterval(alive);
  await controlPlane.stop();
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
