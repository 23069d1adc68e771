import { nameErrors } from './common.ts';
import { duplicate, forbidden, invalid, required, type FieldError } from './field-error.ts';
import { get, isSet, list, text, type Field } from './field.ts';
import { dnsSubdomain } from './names.ts';
import { SOURCES, sourceErrors } from './volume-sources.ts';

/** The name of the pod in which a set is tried; claims of ephemeral volumes start with it. */
const POD = 'test';

/** What is wrong with a pod's volumes; the sound ones are added to `sound` by name. */
export function volumeErrors(volumes: Field, sound: Map<string, Field>): FieldError[] {
  const created = new Set(
    list(volumes)
      .filter((volume) => isSet(get(volume, 'ephemeral')))
      .map((volume) => `${POD}-${text(get(volume, 'name'))}`),
  );
  return list(volumes).flatMap((volume) => {
    const name = get(volume, 'name');
    const errors = [
      ...oneSourceErrors(volume),
      ...nameErrors(name),
      ...(sound.has(text(name)) ? [duplicate(name.at, text(name))] : []),
    ];
    if (errors.length === 0) sound.set(text(name), volume);
    const claim = get(get(volume, 'persistentVolumeClaim'), 'claimName');
    return created.has(text(claim))
      ? [
          ...errors,
          invalid(claim.at, text(claim), 'must not reference a PVC that gets created for an ephemeral volume'),
        ]
      : errors;
  });
}

function oneSourceErrors(volume: Field): FieldError[] {
  const given = SOURCES.filter((kind) => isSet(get(volume, kind)));
  const [first, ...others] = given;
  if (first === undefined) return [required(volume.at, 'must specify a volume type')];
  return [
    ...sourceErrors(first, get(volume, first)),
    ...(first === 'ephemeral' ? claimNameErrors(get(volume, 'name')) : []),
    ...others.map((kind) => forbidden(get(volume, kind).at, 'may not specify more than 1 volume type')),
  ];
}

function claimNameErrors(name: Field): FieldError[] {
  if (text(name) === '') return [];
  const claim = `${POD}-${text(name)}`;
  return dnsSubdomain(claim).map((problem) => invalid(name.at, text(name), `PVC name "${claim}": ${problem}`));
}
