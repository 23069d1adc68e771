import { broken, invalid, invalidObject, required, type FieldError } from './field-error.ts';
import { convertSourcePath, subscriptProblems } from './field-path.ts';
import { get, isSet, list, text, type Field } from './field.ts';
import { resourcesPolicyErrors } from './resources-policy.ts';

/** What is wrong with the fields that a sidecar has and a container has not. OpenKruise's paths count in `spec`, not in the list. */
export function sidecarErrors(initContainers: readonly Field[], containers: readonly Field[]): FieldError[] {
  return [
    ...initContainers.flatMap((container, index) => initPolicyErrors(container, `spec[${index}].resourcesPolicy`)),
    ...containers.flatMap((container, index) => [
      ...placementErrors(container),
      ...list(get(container, 'transferEnv')).flatMap((transfer) =>
        transferErrors(transfer, `spec[${index}].transferEnv`),
      ),
      ...policyErrors(container, `spec[${index}].resourcesPolicy`),
    ]),
  ];
}

function placementErrors(container: Field): FieldError[] {
  const inject = text(get(container, 'podInjectPolicy'));
  const share = get(container, 'shareVolumePolicy');
  const [knowsInject, knowsShare] = [
    ['BeforeAppContainer', 'AfterAppContainer'].includes(inject),
    ['enabled', 'disabled'].includes(text(get(share, 'type'))),
  ];
  return [
    ...(knowsInject ? [] : [invalidObject('spec.container.podInjectPolicy', inject, 'unsupported pod inject policy')]),
    ...(knowsShare
      ? []
      : [invalidObject('spec.container.shareVolumePolicy', share.value, 'unsupported share volume policy')]),
  ];
}

/** A source container named by one of the pod's labels or annotations. */
function transferErrors(transfer: Field, at: string): FieldError[] {
  const reference = get(get(transfer, 'sourceContainerNameFrom'), 'fieldRef');
  if (!isSet(reference)) return [];
  const [apiVersion, fieldPath] = [text(get(reference, 'apiVersion')), text(get(reference, 'fieldPath'))];
  if (apiVersion === '') return [required(`${at}.fieldRef.apiVersion`)];
  if (fieldPath === '') return [required(`${at}.fieldRef.fieldPath`)];
  const converted = convertSourcePath(apiVersion, fieldPath);
  if ('problem' in converted) {
    return [invalid(`${at}.fieldRef.fieldPath`, fieldPath, `error converting fieldPath: ${converted.problem}`)];
  }
  return broken(`${at}.fieldRef`, converted.subscript, subscriptProblems(converted));
}

const policyErrors = (container: Field, at: string): FieldError[] =>
  isSet(get(container, 'resourcesPolicy')) ? resourcesPolicyErrors(container, at) : [];

function initPolicyErrors(container: Field, at: string): FieldError[] {
  const policy = get(container, 'resourcesPolicy');
  if (!isSet(policy) || text(get(container, 'restartPolicy')) === 'Always') return policyErrors(container, at);
  const detail = 'resourcesPolicy is only supported for containers with RestartPolicy Always';
  return [invalidObject(at, policy.value, detail)];
}
