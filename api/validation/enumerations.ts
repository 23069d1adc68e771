import { notSupported, stricter, type FieldError } from './field-error.ts';
import { get, list, text, type Field } from './field.ts';

const PLACES = ['BeforeAppContainer', 'AfterAppContainer'];
const SHARING = ['enabled', 'disabled'];
const UPGRADES = ['ColdUpgrade', 'HotUpgrade'];
const UPDATES = ['NotUpdate', 'RollingUpdate'];
const PATCHES = ['Retain', 'Overwrite', 'MergePatchJson'];

/** Misspelt members of enumerations that OpenKruise takes for another member, or for none. */
export function enumerationErrors(spec: Field): FieldError[] {
  const [init, containers] = [list(get(spec, 'initContainers')), list(get(spec, 'containers'))];
  return [
    ...memberErrors(get(get(spec, 'updateStrategy'), 'type'), UPDATES),
    ...init.flatMap((container) => [
      ...memberErrors(get(container, 'podInjectPolicy'), PLACES),
      ...memberErrors(get(get(container, 'shareVolumePolicy'), 'type'), SHARING),
    ]),
    ...[...init, ...containers].flatMap((container) => [
      ...memberErrors(get(get(container, 'upgradeStrategy'), 'upgradeType'), UPGRADES),
      ...memberErrors(get(get(container, 'shareVolumeDevicePolicy'), 'type'), SHARING),
    ]),
    ...list(get(spec, 'patchPodMetadata')).flatMap((patch) => memberErrors(get(patch, 'patchPolicy'), PATCHES)),
  ].map(stricter);
}

/** What is left out or empty has a default, or a rule of its own. */
const memberErrors = (field: Field, members: readonly string[]): FieldError[] =>
  ['', ...members].includes(text(field)) ? [] : [notSupported(field.at, text(field), members)];
