import { randomBytes } from 'node:crypto';
import type { Scope } from '../../helpers/processes.ts';
import { type Access, ApiFailure, ask } from './api.ts';
import type { ControlPlaneFacts } from './start.ts';

/** How to reach a control plane as one of its users. */
export function accessOf({ url, ca, tokens }: ControlPlaneFacts, user = 'admin'): Access {
  const token = tokens[user];
  if (token === undefined) throw new Error(`the control plane has no user ${user}: ${Object.keys(tokens).join(', ')}`);
  return { url, ca, token };
}

/**
 * Makes a namespace of the test's own, in which pods can be created at once, and has it removed when the test ends.
 * Without kube-controller-manager only its pods are removed with it.
 *
 * @returns its name
 */
export async function makeNamespace(
  t: Scope,
  controlPlane: ControlPlaneFacts,
  labels: Readonly<Record<string, string>> = {},
): Promise<string> {
  const admin = accessOf(controlPlane);
  const name = `test-${randomBytes(4).toString('hex')}`;
  await ask(admin, 'POST', '/api/v1/namespaces', { metadata: { name, labels } });
  t.teardown(() => removeNamespace(controlPlane, name));
  // Pods are refused until it is there. kube-controller-manager may be first.
  await unless(
    409,
    ask(admin, 'POST', `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } }),
  );
  return name;
}

async function removeNamespace(controlPlane: ControlPlaneFacts, name: string): Promise<void> {
  const admin = accessOf(controlPlane);
  const path = `/api/v1/namespaces/${name}`;
  // No kubelet confirms that a pod has ended.
  await ask(admin, 'DELETE', `${path}/pods`, { gracePeriodSeconds: 0 });
  await unless(404, ask(admin, 'DELETE', path));
  if (!controlPlane.hasControllers)
    await unless(404, ask(admin, 'PUT', `${path}/finalize`, { metadata: { name }, spec: { finalizers: [] } }));
}

const unless = async (status: number, request: Promise<unknown>): Promise<void> => {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof ApiFailure && error.status === status)) throw error;
  }
};
