import { KubeConfig } from '@kubernetes/client-node';
import { pino, type Logger } from 'pino';
import { messageOf } from '../sdk/errors.ts';
import { UsageError } from './options.ts';

// What the commands that run services have in common.

const LEVELS = ['debug', 'info', 'warn', 'error'];

/** A log of JSON lines on standard output. */
export function logOf(level: string): Logger {
  if (!LEVELS.includes(level)) throw new UsageError(`--log-level must be one of ${LEVELS.join(', ')}, not ${level}`);
  return pino({ level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime });
}

/** A whole number given to an option, at most a port's. */
export function numberOf(option: string, text: string, least: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least || number > 65_535) {
    throw new UsageError(`--${option} must be a whole number from ${least} to 65535, not ${text}`);
  }
  return number;
}

/** How to reach the API server: a kubeconfig, or in a pod its service account. */
export function configOf(file: string | undefined): KubeConfig {
  const config = new KubeConfig();
  if (file === undefined && process.env['KUBERNETES_SERVICE_HOST'] === undefined) {
    throw new UsageError('this is no pod: give --kubeconfig FILE');
  }
  try {
    if (file !== undefined) config.loadFromFile(file);
    else config.loadFromCluster();
  } catch (error) {
    throw new UsageError(
      file === undefined
        ? `cannot read this pod's service account: ${messageOf(error)}`
        : `cannot read ${file}: ${messageOf(error)}`,
    );
  }
  return config;
}

/** Runs a service to its end; what makes it impossible to go on is logged. Resolves with the exit status. */
export async function statusOf(running: Promise<void>, what: string, log: Logger): Promise<number> {
  try {
    await running;
    return 0;
  } catch (error) {
    log.fatal({ err: error }, `${what} cannot go on`);
    return 1;
  }
}
