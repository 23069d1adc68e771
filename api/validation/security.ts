import { broken, invalid, invalidObject, notSupported, required, tooLong, type FieldError } from './field-error.ts';
import { get, isSet, isTrue, number, shownNumber, text, texts, type Field } from './field.ts';
import { outOfRange } from './names.ts';
import { descendingPath } from './paths.ts';

const MAX_ID = 2 ** 31 - 1;
const PROFILES = ['Localhost', 'RuntimeDefault', 'Unconfined'];
/** `PATH_MAX` without its final zero. */
const MAX_PATH = 4095;

/** What is wrong with a container's `securityContext`, but for its Windows options. */
export function securityErrors(context: Field): FieldError[] {
  if (!isSet(context)) return [];
  const procMount = get(context, 'procMount');
  return [
    ...['runAsUser', 'runAsGroup'].flatMap((key) => idErrors(get(context, key))),
    ...(isSet(procMount) ? procMountErrors(procMount) : []),
    ...seccompErrors(get(context, 'seccompProfile')),
    ...escalationErrors(context),
    ...appArmorErrors(get(context, 'appArmorProfile')),
  ];
}

function idErrors(field: Field): FieldError[] {
  const id = number(field) ?? 0;
  return id >= 0 && id <= MAX_ID ? [] : [invalid(field.at, shownNumber(field), outOfRange(0, MAX_ID))];
}

function procMountErrors(procMount: Field): FieldError[] {
  const mode = text(procMount);
  if (mode === 'Unmasked') return [invalidObject(procMount.at, mode, '`hostUsers` must be false to use `Unmasked`')];
  return mode === 'Default' ? [] : [notSupported(procMount.at, mode, ['Default', 'Unmasked'])];
}

function seccompErrors(profile: Field): FieldError[] {
  if (!isSet(profile)) return [];
  const [type, local] = [get(profile, 'type'), get(profile, 'localhostProfile')];
  if (text(type) === 'Localhost') {
    return isSet(local)
      ? broken(local.at, text(local), descendingPath(text(local)))
      : [required(local.at, 'must be set when seccomp type is Localhost')];
  }
  return [
    ...typeErrors(type, 'seccompProfile'),
    ...(isSet(local) ? [invalidObject(local.at, profile.value, 'can only be set when seccomp type is Localhost')] : []),
  ];
}

function appArmorErrors(profile: Field): FieldError[] {
  if (!isSet(profile)) return [];
  const [type, local] = [get(profile, 'type'), get(profile, 'localhostProfile')];
  if (text(type) !== 'Localhost') {
    const isMisplaced = isSet(local) && PROFILES.includes(text(type));
    const detail = 'can only be set when AppArmor type is Localhost';
    return [
      ...typeErrors(type, 'appArmorProfile'),
      ...(isMisplaced ? [invalidObject(local.at, local.value, detail)] : []),
    ];
  }
  const path = text(local);
  const isPadded = path !== path.trim();
  return [
    ...(isPadded ? [invalid(local.at, path, 'must not be padded with whitespace')] : []),
    ...(path === '' ? [required(local.at, 'must be set when AppArmor type is Localhost')] : []),
    ...(Buffer.byteLength(path) > MAX_PATH ? [tooLong(local.at, MAX_PATH)] : []),
  ];
}

function typeErrors(type: Field, profile: string): FieldError[] {
  if (text(type) === '') return [required(type.at, `type is required when ${profile} is set`)];
  return PROFILES.includes(text(type)) ? [] : [notSupported(type.at, text(type), PROFILES)];
}

function escalationErrors(context: Field): FieldError[] {
  if (get(context, 'allowPrivilegeEscalation').value !== false) return [];
  const added = texts(get(get(context, 'capabilities'), 'add')).filter((name) => name === 'CAP_SYS_ADMIN');
  const conflicts = [
    ...(isTrue(get(context, 'privileged')) ? ['`privileged` to true'] : []),
    ...added.map(() => '`capabilities.Add` CAP_SYS_ADMIN'),
  ];
  return conflicts.map((conflict) =>
    invalidObject(context.at, context.value, `cannot set \`allowPrivilegeEscalation\` to false and ${conflict}`),
  );
}
