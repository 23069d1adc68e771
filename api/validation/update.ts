import { invalid, type FieldError } from './field-error.ts';
import { get, list, text, type Field } from './field.ts';

/** What an update may not change: how a container is upgraded, and (but for removing some) which containers there are. */
export function updateErrors(set: Field, old: Field): FieldError[] {
  const former = new Map(containersOf(old).map((container) => [text(get(container, 'name')), upgradeType(container)]));
  return containersOf(set).flatMap((container) => {
    const name = text(get(container, 'name'));
    const type = former.get(name);
    if (type === undefined) return [invalid('spec.containers.name', name, `container ${name} is not found`)];
    if (type === '' || type === upgradeType(container)) return [];
    const at = 'spec.containers.upgradeStrategy.upgradeType';
    return [invalid(at, name, `container ${name} upgradeType is immutable`)];
  });
}

const containersOf = (set: Field): Field[] => list(get(get(set, 'spec'), 'containers'));

const upgradeType = (container: Field): string => text(get(get(container, 'upgradeStrategy'), 'upgradeType'));
