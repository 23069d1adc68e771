import { ApiError } from '../../api/error.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { matches } from '../../api/selector.ts';
import type { KubernetesObject, Query } from '../cluster.ts';
import type { Resource } from '../resource.ts';

const fieldOf: Record<string, (object: KubernetesObject) => string | undefined> = {
  'metadata.name': ({ metadata }) => metadata.name,
  'metadata.namespace': ({ metadata }) => metadata.namespace,
  'spec.nodeName': (object) => (object as Pod).spec?.nodeName,
  'status.phase': (object) => (object as Pod).status?.phase,
};
const ofAll = ['metadata.name', 'metadata.namespace'];

/**
 * Makes the test whether an object is what a query asks for.
 *
 * @throws ApiError `ERR_BATON_ARGUMENT` for a field that the API server does not select this resource by.
 */
export function matcher(resource: Resource, query: Query): (object: KubernetesObject) => boolean {
  const fields = Object.entries(query.fields ?? {}).map(([path, value]) => {
    const read = resource.kind === 'Pod' || ofAll.includes(path) ? fieldOf[path] : undefined;
    if (!read) {
      throw new ApiError('ERR_BATON_ARGUMENT', `${resource.plural} cannot be selected by the field ${path}`, {
        facts: { path },
      });
    }
    return { read, value };
  });
  return (object) =>
    (query.namespace === undefined || object.metadata.namespace === query.namespace) &&
    (query.labels === undefined || matches(query.labels, object.metadata.labels ?? {})) &&
    fields.every(({ read, value }) => (read(object) ?? '') === value);
}
