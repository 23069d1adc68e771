import { parseArgs } from 'node:util';
import { processEnvironment, processStartOf, type Environment } from '../sdk/environment.ts';
import { codeOf, messageOf } from '../sdk/errors.ts';
import { locate } from '../sdk/migrate.ts';
import { readStateFile, type StateFile } from '../sdk/state-file.ts';
import type { Io } from './io.ts';

export const help = `Usage: baton health [--name NAME]

For an exec probe: asks the sidecar process of this very container how it fares, by the state file that it renews every second.
A network probe cannot: the pod's two copies share one network, and the other one may answer. Reads SIDECARSET_VERSION,
SIDECARSET_VERSION_ALT and BATON_DIR, as the sidecar does.

Options:
  --name NAME  the name that the sidecar gives to createSidecar; only matters where BATON_DIR is unset
  --help       this text

Exit status: 0 it is well, whether it serves, idles, drains or is about to start; 1 it is not, and why; 2 wrong usage.
`;

/** A process that renewed its file longer ago hangs; the agent thinks so too. In milliseconds. */
const SILENCE = 5_000;

/** Runs `baton health`; returns the exit status. */
export function runHealth(args: string[], io: Io, environment: Environment = processEnvironment()): number {
  const { values } = parseArgs({
    args,
    options: { name: { type: 'string' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  try {
    const { identity, directory } = locate(values.name === undefined ? {} : { name: values.name }, environment);
    const path = directory.stateOf(identity.version);
    const state = readStateFile(path);
    const trouble = state ? troubleOf(state, environment.now()) : `there is no state file ${path}`;
    if (trouble === undefined) {
      io.stdout.write(`baton: version ${identity.version} is ${state?.phase}\n`);
      return 0;
    }
    io.stderr.write(`baton: version ${identity.version}: ${trouble}\n`);
  } catch (error) {
    io.stderr.write(`baton: ${codeOf(error) ?? 'error'}: ${messageOf(error)}\n`);
  }
  return 1;
}

function troubleOf({ phase, pid, processStart, heartbeatAt, error }: StateFile, now: number): string | undefined {
  if (error) return `it reports ${error.code}: ${error.message}`;
  if (phase === 'failed' || phase === 'stopped') return `it has ${phase}`;
  if (processStartOf(pid) !== processStart) return `process ${pid}, which wrote the state file, is gone`;
  const silent = now - heartbeatAt;
  return silent > SILENCE ? `its last heartbeat is ${silent} ms old` : undefined;
}
