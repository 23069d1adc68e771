#!/usr/bin/env node
import { messageOf } from '../sdk/errors.ts';
import { runHealth } from './health.ts';
import { runInject } from './inject.ts';
import type { Io } from './io.ts';
import { runMigrate } from './migrate.ts';
import { isUsageError } from './options.ts';
import { runPlan } from './plan.ts';
import { rehearse } from './rehearse.ts';
import { versionOf } from './version.ts';

const help = `Usage: baton COMMAND [OPTIONS]

Hot upgrades for Kubernetes sidecars without dropping a request.

Commands:
  agent      run the agent of a node: hot upgrades of its pods
  controller run the controller of a cluster: webhooks and rollouts
  doctor     check whether a cluster is as Baton needs it, and say what to do
  health     ask the sidecar process of this container how it fares, in an exec probe
  inject     print a pod with the sidecars that its SidecarSets inject
  migrate    wait in a postStart hook until the sidecar of this container serves
  plan       print what a SidecarSet's rollout does next, and why, pod by pod
  rehearse   run a sidecar and its upgrades on this machine, under load, and report what a client saw
  status     show how the rollouts of SidecarSets fare, live

Options:
  --version  print the version
  --help     this text; baton COMMAND --help tells about a command

Exit status: 0 success, 1 failure, 2 wrong usage.
`;

const commands: Record<string, (args: string[], io: Io) => Promise<number> | number> = {
  // Their libraries are many and large: they are loaded where they are needed.
  agent: async (args, io) => (await import('./agent.ts')).runAgentCommand(args, io),
  controller: async (args, io) => (await import('./controller.ts')).runControllerCommand(args, io),
  doctor: async (args, io) => (await import('./doctor.ts')).runDoctor(args, io),
  health: runHealth,
  inject: runInject,
  migrate: runMigrate,
  plan: runPlan,
  rehearse,
  status: async (args, io) => (await import('./status.ts')).runStatus(args, io),
};

async function main([command, ...args]: string[], io: Io): Promise<number> {
  if (command === '--version') {
    io.stdout.write(`${versionOf()}\n`);
    return 0;
  }
  if (command === undefined || command === '--help' || command === 'help') {
    (command === undefined ? io.stderr : io.stdout).write(help);
    return command === undefined ? 2 : 0;
  }
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (!run) {
    io.stderr.write(
      `baton: there is no command ${command}; there are ${Object.keys(commands).join(', ')} (baton --help)\n`,
    );
    return 2;
  }
  try {
    return await run(args, io);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    io.stderr.write(`baton ${command}: ${messageOf(error)}\nbaton ${command} --help tells more.\n`);
    return 2;
  }
}

const interrupt = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort(new Error(name)));
process.exitCode = await main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupt.signal,
});
