import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { parse } from 'yaml';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { customResourceDefinitions, sidecarSets } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { clusterTest, controlPlane } from '../cluster-test.ts';
import { conformance, type Subject } from '../conformance.ts';
import { makeNamespace } from '../control-plane/namespace.ts';
import { connect } from './connect.ts';

const crd = fileURLToPath(new URL('../../../api/crd/apps.kruise.io_sidecarsets.yaml', import.meta.url));

/** SidecarSets, without the webhooks of a controller. */
async function serveSidecarSets(cluster: Cluster): Promise<void> {
  const definition = parse(readFileSync(crd, 'utf8')) as KubernetesObject;
  await cluster.create(customResourceDefinitions, definition).catch((error: unknown) => {
    if ((error as { code?: string }).code !== 'ERR_BATON_EXISTS') throw error;
  });
  await until('SidecarSets are served', () =>
    cluster.list(sidecarSets).then(
      () => true,
      () => false,
    ),
  );
}

async function start(t: ExecutionContext): Promise<Subject> {
  const facts = await controlPlane(t);
  const cluster = connect(facts);
  await serveSidecarSets(cluster);
  return { cluster, namespace: await makeNamespace(t, facts) };
}

conformance('API server', start, clusterTest);
