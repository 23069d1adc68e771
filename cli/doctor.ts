import { parseArgs } from 'node:util';
import { ApiError } from '../api/error.ts';
import { createKubernetesCluster } from '../cluster/kubernetes/client.ts';
import { systemClock } from '../cluster/kubernetes/clock.ts';
import { createTransport } from '../cluster/kubernetes/transport.ts';
import { checkAll, type Finding } from './doctor/checks.ts';
import { gather } from './doctor/gather.ts';
import type { Io } from './io.ts';
import { clusterHelp, clusterOptions, personsConfig } from './kubeconfig.ts';
import { isJson, namespaceOf } from './options.ts';
import { versionOf } from './version.ts';

export const help = `Usage: baton doctor [OPTIONS]
       kubectl baton doctor [OPTIONS]

Checks whether a cluster is as Baton needs it, and says what to do where it is not: the CRD, the webhooks, whether API servers
reach and trust them, certificates, the controller, an agent on each node, their admission policy, a second controller of
SidecarSets, versions. Changes nothing; it asks the API server to try, and not to store, one SidecarSet.

Options:
  -n, --namespace NAME where Baton is installed (default baton-system)
      --history-namespace NAME
                       where OpenKruise keeps its leader's Lease (default kruise-system)
  -o, --output json    the findings as JSON
${clusterHelp}
  --help               this text

Exit status: 0 nothing is wrong, though there may be warnings; 1 something is wrong, or the cluster does not answer; 2 wrong usage.
`;

/** Runs `baton doctor`; resolves with the exit status. */
export async function runDoctor(args: string[], io: Io): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      namespace: { type: 'string', short: 'n', default: 'baton-system' },
      'history-namespace': { type: 'string', default: 'kruise-system' },
      output: { type: 'string', short: 'o' },
      ...clusterOptions,
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const namespace = namespaceOf('namespace', values.namespace);
  const historyNamespace = namespaceOf('history-namespace', values['history-namespace']);
  const asJson = isJson(values.output);
  const access = { config: personsConfig(values), userAgent: `baton/${versionOf()}`, timeout: 30_000 };
  const transport = createTransport({ ...access, connections: 4, clock: systemClock });
  const cluster = createKubernetesCluster({ ...access, limit: { qps: 50, burst: 50 } });
  try {
    const findings = checkAll(await gather({ cluster, transport, namespace, historyNamespace, now: Date.now() }));
    io.stdout.write(asJson ? `${JSON.stringify({ findings }, undefined, 2)}\n` : formatFindings(findings));
    return findings.some(({ level }) => level === 'error') ? 1 : 0;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    io.stderr.write(`baton doctor: ${error.message}: choose another cluster with --context [${error.code}]\n`);
    return 1;
  }
}

function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, level, message, remedy }) => {
      const line = `${level.padEnd(7)}   ${check.padEnd(width)}   ${message}\n`;
      return remedy === undefined ? line : `${line}${' '.repeat(13 + width)}-> ${remedy}\n`;
    })
    .join('');
}
