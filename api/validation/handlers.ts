import { broken, forbidden, invalid, invalidObject, notSupported, required, type FieldError } from './field-error.ts';
import { get, isSet, list, number, shownNumber, text, type Field } from './field.ts';
import { headerName, portName } from './names.ts';
import { portNumberErrors } from './ports.ts';

/** The grace period of a pod that sets none, in seconds. */
const GRACE_SECONDS = 30;
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
type Kind = 'exec' | 'httpGet' | 'tcpSocket' | 'grpc' | 'sleep';
const PROBE_HANDLERS: readonly Kind[] = ['exec', 'httpGet', 'tcpSocket', 'grpc'];
const HOOK_HANDLERS: readonly Kind[] = ['exec', 'httpGet', 'tcpSocket', 'sleep'];

/** What is wrong with a container's hooks and probes. */
export function handlerErrors(container: Field): FieldError[] {
  const hooks = ['postStart', 'preStop'].map((hook) => get(get(container, 'lifecycle'), hook));
  return [
    ...hooks.filter(isSet).flatMap((hook) => oneHandlerErrors(hook, HOOK_HANDLERS)),
    ...PROBES.flatMap((probe) => probeErrors(get(container, probe), probe)),
  ];
}

/** An init container that ends has neither hooks nor probes. */
export function noHandlerErrors(container: Field): FieldError[] {
  return ['lifecycle', ...PROBES]
    .map((key) => get(container, key))
    .filter(isSet)
    .map(({ at }) => forbidden(at, 'may not be set for init containers without restartPolicy=Always'));
}

function probeErrors(probe: Field, kind: (typeof PROBES)[number]): FieldError[] {
  if (!isSet(probe)) return [];
  const counts = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'];
  const grace = get(probe, 'terminationGracePeriodSeconds');
  const successes = number(get(probe, 'successThreshold')) ?? 0;
  return [
    ...oneHandlerErrors(probe, PROBE_HANDLERS),
    ...counts.flatMap((key) => {
      const count = number(get(probe, key)) ?? 0;
      return count < 0 ? [invalid(get(probe, key).at, count, 'must be greater than or equal to 0')] : [];
    }),
    ...(isSet(grace) && (number(grace) ?? 0) <= 0
      ? [invalid(grace.at, shownNumber(grace), 'must be greater than 0')]
      : []),
    ...(kind === 'readinessProbe' && isSet(grace)
      ? [invalidObject(grace.at, grace.value, 'must not be set for readinessProbes')]
      : []),
    ...(kind !== 'readinessProbe' && successes !== 1
      ? [invalid(get(probe, 'successThreshold').at, successes, 'must be 1')]
      : []),
  ];
}

/** A hook or probe does exactly one thing. */
function oneHandlerErrors(parent: Field, kinds: readonly Kind[]): FieldError[] {
  const given = kinds.map((kind) => ({ kind, handler: get(parent, kind) })).filter(({ handler }) => isSet(handler));
  const [first, ...others] = given;
  if (!first) return [required(parent.at, 'must specify a handler type')];
  return [
    ...ERRORS_OF[first.kind](first.handler),
    ...others.map(({ handler }) => forbidden(handler.at, 'may not specify more than 1 handler type')),
  ];
}

const ERRORS_OF: Record<Kind, (handler: Field) => FieldError[]> = {
  exec: (exec) => (list(get(exec, 'command')).length === 0 ? [required(`${exec.at}.command`)] : []),
  httpGet: httpErrors,
  tcpSocket: (socket) => portErrors(get(socket, 'port')),
  grpc: (grpc) => portErrors(get(grpc, 'port')),
  sleep: sleepErrors,
};

function httpErrors(http: Field): FieldError[] {
  const [path, scheme] = [get(http, 'path'), text(get(http, 'scheme'))];
  const headers = get(http, 'httpHeaders');
  return [
    ...(text(path) === '' ? [required(path.at)] : []),
    ...portErrors(get(http, 'port')),
    ...(['HTTP', 'HTTPS'].includes(scheme) ? [] : [notSupported(`${http.at}.scheme`, scheme, ['HTTP', 'HTTPS'])]),
    ...list(headers).flatMap((header) => {
      const name = text(get(header, 'name'));
      return broken(headers.at, name, headerName(name));
    }),
  ];
}

/** A port by number, or by the name that the container gives it. */
function portErrors(port: Field): FieldError[] {
  return typeof port.value === 'string'
    ? broken(port.at, port.value, portName(port.value))
    : portNumberErrors(number(port) ?? 0, port.at);
}

function sleepErrors(sleep: Field): FieldError[] {
  const field = get(sleep, 'seconds');
  const seconds = number(field) ?? 0;
  if (seconds > 0 && seconds <= GRACE_SECONDS) return [];
  const range = `must be greater than 0 and less than terminationGracePeriodSeconds (${GRACE_SECONDS}).`;
  const gate = 'Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep.';
  return [invalid(sleep.at, shownNumber(field), `${range} ${gate}`)];
}
