import { KubeConfig } from '@kubernetes/client-node';
import { messageOf } from '../sdk/errors.ts';
import { UsageError } from './options.ts';

/** The options that say which cluster, as kubectl has them; for `parseArgs`. */
export const clusterOptions = { kubeconfig: { type: 'string' }, context: { type: 'string' } } as const;

/** How the help tells of {@link clusterOptions}. */
export const clusterHelp = `  --kubeconfig FILE    how to reach the cluster (default $KUBECONFIG, ~/.kube/config, in a pod its service account)
  --context NAME       the context of the kubeconfig to use`;

/**
 * How a person reaches a cluster: what kubectl would use.
 *
 * @throws UsageError where there is nothing to use, or it cannot be read
 */
export function personsConfig({ kubeconfig, context }: { kubeconfig?: string; context?: string }): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    throw new UsageError(`cannot read the kubeconfig: ${messageOf(error)}`);
  }
  // What the library takes where it finds nothing.
  if (config.currentContext === 'loaded-context' && config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new UsageError('there is no kubeconfig: give --kubeconfig FILE, or set KUBECONFIG');
  }
  const names = config.getContexts().map(({ name }) => name);
  const there = names.length > 0 ? `there are ${names.join(', ')}` : 'it has none';
  if (context !== undefined) {
    if (!names.includes(context)) throw new UsageError(`the kubeconfig has no context ${context}; ${there}`);
    config.setCurrentContext(context);
  }
  if (!config.getCurrentCluster()) {
    throw new UsageError(`the kubeconfig has no current context: choose one with --context; ${there}`);
  }
  return config;
}
