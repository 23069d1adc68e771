import { choiceErrors, nameErrors } from './common.ts';
import { envErrors, envFromErrors } from './env.ts';
import { duplicateMember, required, type FieldError } from './field-error.ts';
import { get, list, text, type Field } from './field.ts';
import { deviceErrors, mountErrors } from './mounts.ts';
import { portErrors } from './ports.ts';
import { resourceErrors } from './resources.ts';
import { securityErrors } from './security.ts';

/** What the Kubernetes API checks of any container, `volumes` being the pod's sound ones by name. */
export function containerErrors(container: Field, volumes: ReadonlyMap<string, Field>): FieldError[] {
  const field = (key: string): Field => get(container, key);
  return [
    ...nameErrors(field('name')),
    ...(text(field('image')) === '' ? [required(field('image').at)] : []),
    ...choiceErrors(field('terminationMessagePolicy'), ['File', 'FallbackToLogsOnError']),
    ...portErrors(field('ports')),
    ...envErrors(field('env')),
    ...envFromErrors(field('envFrom')),
    ...mountErrors(container, volumes),
    ...deviceErrors(container, volumes),
    ...choiceErrors(field('imagePullPolicy'), ['Always', 'IfNotPresent', 'Never']),
    ...resourceErrors(field('resources')),
    ...resizeErrors(field('resizePolicy')),
    ...securityErrors(field('securityContext')),
  ];
}

/** Go prints the name of a resource as it is. */
const unquoted = (error: FieldError): FieldError =>
  error.shown === undefined ? error : { ...error, shown: error.shown.slice(1, -1) };

function resizeErrors(policies: Field): FieldError[] {
  const seen = new Set<string>();
  return list(policies).flatMap((policy) => {
    const resource = text(get(policy, 'resourceName'));
    const isTwice = seen.has(resource);
    seen.add(resource);
    return [
      ...(isTwice ? [duplicateMember(policy.at, resource)] : []),
      ...choiceErrors({ ...get(policy, 'resourceName'), at: policies.at }, ['cpu', 'memory']).map(unquoted),
      ...choiceErrors({ ...get(policy, 'restartPolicy'), at: policies.at }, ['NotRequired', 'RestartContainer']),
    ];
  });
}
