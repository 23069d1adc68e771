import type { LabelSelector } from '../../api/kubernetes.ts';
import type { Key, Query } from '../cluster.ts';
import type { Resource } from '../resource.ts';

/** The path of a resource, or of one object of it, on the API server. */
export function pathOf(
  { group, version, plural, namespaced }: Resource,
  { namespace, name }: Partial<Key> = {},
  subresource?: string,
): string {
  const home = namespaced && namespace !== undefined ? ['namespaces', namespace] : [];
  const parts = [...(group ? ['apis', group, version] : ['api', version]), ...home, plural, name, subresource];
  return `/${parts
    .filter((part) => part !== undefined)
    .map(encodeURIComponent)
    .join('/')}`;
}

/** The part of an address behind the question mark; what is not given is left out. */
export function queryOf(
  { labels, fields }: Query,
  more: Record<string, string | number | boolean | undefined> = {},
): string {
  const parameters = {
    labelSelector: labels && labelSelector(labels),
    fieldSelector: fields && Object.entries(fields).map(selectField).join(','),
    ...more,
  };
  const text = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return text.length > 0 ? `?${text.join('&')}` : '';
}

const selectField = ([path, value]: [string, string]): string => `${path}=${value.replace(/[\\,=]/g, '\\$&')}`;

/** As the API server reads it (`labels.Parse`). */
function labelSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const equal = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
  });
  return [...equal, ...expressions].join(',');
}
