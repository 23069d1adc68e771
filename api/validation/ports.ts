import { choiceErrors } from './common.ts';
import { broken, duplicate, invalid, required, type FieldError } from './field-error.ts';
import { get, isSet, list, number, text, type Field } from './field.ts';
import { outOfRange, portName } from './names.ts';

/** Numbers of ports. */
export const portNumberErrors = (port: number, at: string): FieldError[] =>
  port >= 1 && port <= 65535 ? [] : [invalid(at, port, outOfRange(1, 65535))];

/** What is wrong with a container's `ports`. */
export function portErrors(ports: Field): FieldError[] {
  const names = new Set<string>();
  return list(ports).flatMap((port) => {
    const [name, containerPort, hostPort] = [get(port, 'name'), get(port, 'containerPort'), get(port, 'hostPort')];
    const problems = text(name) === '' ? [] : portName(text(name));
    const isTaken = names.has(text(name));
    if (problems.length === 0 && text(name) !== '') names.add(text(name));
    return [
      ...broken(name.at, text(name), problems),
      ...(problems.length === 0 && isTaken ? [duplicate(name.at, text(name))] : []),
      ...(number(containerPort)
        ? portNumberErrors(number(containerPort) ?? 0, containerPort.at)
        : [required(containerPort.at)]),
      ...(number(hostPort) ? portNumberErrors(number(hostPort) ?? 0, hostPort.at) : []),
      ...choiceErrors(get(port, 'protocol'), ['SCTP', 'TCP', 'UDP']),
    ];
  });
}

/** Ports of the host that two containers want, or one twice. */
export function hostPortErrors(containers: readonly Field[]): FieldError[] {
  const taken = new Set<string>();
  return containers.flatMap((container) =>
    list(get(container, 'ports')).flatMap((port) => {
      const hostPort = get(port, 'hostPort');
      if (!isSet(hostPort) || hostPort.value === 0) return [];
      const key = `${text(get(port, 'protocol'))}/${text(get(port, 'hostIP'))}/${number(hostPort) ?? 0}`;
      if (taken.has(key)) return [duplicate(hostPort.at, key)];
      taken.add(key);
      return [];
    }),
  );
}
