import { parseArgs } from 'node:util';
import { codeOf, messageOf } from '../sdk/errors.ts';
import { migrate, reportFailure, type Migrated } from '../sdk/migrate.ts';
import type { Io } from './io.ts';
import { numberOption } from './options.ts';

export const help = `Usage: baton migrate [--timeout SECONDS] [--name NAME]

For a postStart hook, or your migrate.sh: waits until the sidecar process of this container serves, then prints one line.
The idle copy has nothing to wait for. Reads SIDECARSET_VERSION, SIDECARSET_VERSION_ALT and BATON_DIR, as the sidecar does.

Options:
  --timeout SECONDS  the longest wait (default 60)
  --name NAME        the name that the sidecar gives to createSidecar; only matters where BATON_DIR is unset
  --help             this text

Exit status: 0 it serves, or it failed and the node's agent was told (which rolls back without the pod becoming not
ready); 1 it failed; 2 wrong usage.
`;

/** Runs `baton migrate`; resolves to the exit status. */
export async function runMigrate(args: string[], io: Io): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      timeout: { type: 'string', default: '60' },
      name: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const options = {
    timeoutMs: numberOption('--timeout', values.timeout) * 1000,
    ...(values.name !== undefined && { name: values.name }),
    ...(io.signal && { signal: io.signal }),
  };
  const started = performance.now();
  try {
    io.stdout.write(`baton: ${describe(await migrate(options), performance.now() - started)}\n`);
    return 0;
  } catch (error) {
    io.stderr.write(`baton: ${codeOf(error) ?? 'error'}: ${messageOf(error)}\n`);
    const told = await reportFailure(error, options).catch((other: unknown) => {
      if (codeOf(other) !== codeOf(error)) io.stderr.write(`baton: no agent could be told: ${messageOf(other)}\n`);
      return false;
    });
    if (told) io.stderr.write("baton: the node's agent was told, and rolls back\n");
    return told ? 0 : 1;
  }
}

function describe({ role, version, alternative, state }: Migrated, waitedMs: number): string {
  if (role === 'idle') return 'idle copy, nothing to migrate';
  if (!state)
    return `version ${version} was restarted during the upgrade to ${alternative ?? '?'}; it waits, the other serves`;
  const { inherited, bound, received, handoverMs } = state.counters;
  const from =
    handoverMs === undefined ? 'on its own' : `after version ${alternative ?? '?'} in ${handoverMs.toFixed(1)} ms`;
  return `version ${version} serves ${from}: ${inherited} sockets inherited, ${bound} bound, ${received} connections received (waited ${Math.round(waitedMs)} ms)`;
}
