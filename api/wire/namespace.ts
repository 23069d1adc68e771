import { metadata } from './metadata.ts';
import { goForm, struct, type Problem } from './wire.ts';

/** core/v1 Namespace. */
const namespace = struct({
  'apiVersion!': 'string',
  'kind!': 'string',
  'metadata!': metadata,
  spec: 'any',
  status: 'any',
});

/** What in a namespace has the wrong type or is not known. */
export function namespaceProblems(object: object): Problem[] {
  const problems: Problem[] = [];
  goForm(namespace, object, { report: (problem) => problems.push(problem) });
  return problems;
}
