import { createHash } from 'node:crypto';
import { ApiError } from '../api/error.ts';
import { own } from '../api/json.ts';
import type { Container, EnvVar, Pod } from '../api/kubernetes.ts';
import { env as names } from '../api/pod-contract.ts';
import type { Image } from './container.ts';
import type { ContainerSpec } from './pod.ts';

/** What a container image is on this machine: a command, unless the container brings one, and environment. */
export interface LocalImage {
  command?: readonly string[];
  env?: Readonly<Record<string, string>>;
}

/** Finds an image by its name; `undefined` = it cannot be pulled. */
export type Images = (name: string) => LocalImage | undefined;

/** The containers that run beside each other for the pod's whole life: native sidecars first, then the others. */
export function lastingContainers(pod: Pod): Container[] {
  const initContainers = pod.spec?.initContainers ?? [];
  return [...initContainers.filter(isNative), ...(pod.spec?.containers ?? [])];
}

const isNative = (container: Container): boolean => container.restartPolicy === 'Always';

/**
 * Makes what {@link startPod} runs of a container. Processes share this machine's files: of the pod's volumes only the one
 * that `BATON_DIR` names is there, and the variable leads to it.
 *
 * @throws ApiError `ERR_BATON_FIELD` for what a local process cannot have.
 */
export function containerSpec(pod: Pod, container: Container, image: Image, address: string): ContainerSpec {
  const env: Record<string, string> = {};
  const envFromAnnotations: Record<string, string> = {};
  for (const variable of container.env ?? []) {
    const key = annotationOf(variable);
    if (key === undefined) env[variable.name] = valueOf(pod, container, variable, address);
    else envFromAnnotations[variable.name] = key;
  }
  const directory = env[names.batonDir];
  const mount = container.volumeMounts?.find(({ mountPath }) => mountPath === directory);
  return {
    name: container.name,
    image,
    env,
    envFromAnnotations,
    ...(mount && { volume: `v-${digest(`${mount.name}/${mount.subPath ?? ''}`)}` }),
    grace: (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000,
  };
}

/** The image of a container as this machine runs it; `known` is what {@link Images} says of its name. */
export function imageOf(container: Container, known: LocalImage | undefined): Image {
  const postStart = container.lifecycle?.postStart?.exec?.command;
  const command = container.command ?? known?.command ?? [];
  return {
    name: container.image ?? '',
    // Starting what is not there fails, as pulling does.
    command: known ? [...command, ...(container.args ?? [])] : [`/no/such/image/${container.image ?? ''}`],
    ...(known?.env && { env: known.env }),
    ...(postStart && { postStart }),
  };
}

/** Short, because a Unix socket's path has to fit below. */
export const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12);

const annotationOf = ({ valueFrom }: EnvVar): string | undefined =>
  /^metadata\.annotations\['(.+)'\]$/.exec(valueFrom?.fieldRef?.fieldPath ?? '')?.[1];

function valueOf(pod: Pod, container: Container, { name, value, valueFrom }: EnvVar, address: string): string {
  if (!valueFrom) return value ?? '';
  const path = valueFrom.fieldRef?.fieldPath ?? '';
  const fields: Record<string, string | undefined> = {
    'metadata.name': pod.metadata?.name,
    'metadata.namespace': pod.metadata?.namespace,
    'metadata.uid': pod.metadata?.uid,
    'spec.nodeName': pod.spec?.nodeName,
    'status.podIP': address,
    'status.hostIP': address,
  };
  const label = /^metadata\.labels\['(.+)'\]$/.exec(path)?.[1];
  const found = label === undefined ? fields[path] : (own(pod.metadata?.labels, label) ?? '');
  if (found !== undefined) return found;
  throw new ApiError(
    'ERR_BATON_FIELD',
    `container ${container.name}: env ${name} is read from what a local process does not have` +
      `${path ? ` (${path})` : ''}; give it a value`,
    { facts: { container: container.name, env: name } },
  );
}
