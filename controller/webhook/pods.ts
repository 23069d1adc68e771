import { ApiError } from '../../api/error.ts';
import { isObject, type JsonObject } from '../../api/json.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { podProblems } from '../../api/wire/pod.ts';
import type { KubernetesObject } from '../../cluster/cluster.ts';
import { admitPod, type AdmissionSources } from '../admission.ts';
import { isForInjection } from '../inject/request.ts';
import { allowed, denied, type AdmissionRequest, type AdmissionResponse } from './admission-review.ts';

/**
 * Injects into a pod that is created, and takes away what only the controller and the agent may write on it. Every other
 * request passes as it is: another operation, a subresource, another kind. Nothing else happens, so a dry run needs no care.
 */
export function mutatePod(request: AdmissionRequest, sources: AdmissionSources): AdmissionResponse {
  const { object, resource } = request;
  if (!object || resource.group !== '' || resource.resource !== 'pods' || !isForInjection(request)) {
    return allowed(request);
  }
  try {
    // The pod's own namespace may still be unset; the request's is where it will be.
    const { namespace } = request;
    const pod = namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } };
    return allowed(request, admitPod(pod as Pod & KubernetesObject, sources));
  } catch (error) {
    if (error instanceof ApiError && error.code === 'ERR_BATON_RESOURCES') {
      const cause = { reason: 'FieldValueForbidden', field: 'spec.containers', message: error.message };
      return denied(request, 403, `spec.containers: ${error.message}`, { causes: [cause] });
    }
    const mistyped = mistakesIn(object);
    // A mistake of Baton, not of the pod's: its author must not be told otherwise.
    if (mistyped.length === 0) throw error;
    return denied(request, 422, mistyped.map(({ path, message }) => `${path}: ${message}`).join(', '), {
      causes: mistyped.map(({ path, message }) => ({ reason: 'FieldValueTypeInvalid', field: path, message })),
    });
  }
}

/** What no API server lets through in a pod, and only it is meant to ask. */
function mistakesIn(object: JsonObject): { path: string; message: string }[] {
  const mistyped = podProblems(object).filter(({ kind }) => kind === 'type');
  const { spec } = object;
  const hasContainers = isObject(spec) && spec['containers'] !== undefined && spec['containers'] !== null;
  return [...mistyped, ...(hasContainers ? [] : [{ path: 'spec.containers', message: 'must be set' }])];
}
