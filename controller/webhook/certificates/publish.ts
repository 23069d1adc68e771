import type { Cluster, JsonPatch, KubernetesObject } from '../../../cluster/cluster.ts';
import {
  customResourceDefinitions,
  mutatingWebhookConfigurations,
  validatingWebhookConfigurations,
  type Resource,
} from '../../../cluster/resource.ts';

/** The objects that tell API servers how to call the webhooks, by their names. */
export interface Clients {
  mutating: string;
  validating: string;
  definition: string;
}

/** Their names in `deploy/`. */
export const installedClients: Clients = {
  mutating: 'baton',
  validating: 'baton',
  definition: 'sidecarsets.apps.kruise.io',
};

interface Service {
  namespace?: string;
  name?: string;
}

interface ClientConfig {
  caBundle?: string;
  service?: Service;
}
/** A configuration of webhooks, or a definition of a custom resource. */
type Client = KubernetesObject & {
  webhooks?: { clientConfig: ClientConfig }[];
  spec?: { conversion?: { strategy?: string; webhook?: { clientConfig?: ClientConfig } } };
};

/**
 * Writes the bundle wherever API servers look for it; nothing where it is that already. A definition that converts without
 * a webhook needs none, and one that leads to another controller's service keeps that one's.
 *
 * @returns whether it was everywhere before
 * @throws ApiError of the cluster: `ERR_BATON_NOT_FOUND` where an object is missing, `ERR_BATON_CONFLICT` where it changed
 *   meanwhile; what was written until then stays
 */
export async function publishBundle(cluster: Cluster, bundle: string, clients: Clients): Promise<boolean> {
  const caBundle = Buffer.from(bundle).toString('base64');
  /** Baton's own, as the first webhook has it. */
  let own: Service | undefined;
  const put = async (resource: Resource, name: string): Promise<boolean> => {
    const object = await cluster.get<Client>(resource, { name });
    const places = placesOf(object);
    own ??= places[0]?.[1].service;
    if (places.some(([, { service }]) => isAnother(service, own))) return true;
    const patch: JsonPatch = places
      .filter(([, config]) => config.caBundle !== caBundle)
      .map(([path]) => ({ op: 'add', path: `${path}/caBundle`, value: caBundle }));
    if (patch.length === 0) return true;
    const { resourceVersion } = object.metadata;
    await cluster.patch(resource, { name }, patch, { ...(resourceVersion !== undefined && { resourceVersion }) });
    return false;
  };
  const there = [
    await put(mutatingWebhookConfigurations, clients.mutating),
    await put(validatingWebhookConfigurations, clients.validating),
    await put(customResourceDefinitions, clients.definition),
  ];
  return !there.includes(false);
}

const isAnother = (service: Service | undefined, own: Service | undefined): boolean =>
  service !== undefined && own !== undefined && (service.namespace !== own.namespace || service.name !== own.name);

function placesOf({ webhooks = [], spec }: Client): (readonly [path: string, config: ClientConfig])[] {
  const { strategy, webhook } = spec?.conversion ?? {};
  const config = strategy === 'Webhook' ? webhook?.clientConfig : undefined;
  return [
    ...webhooks.map(({ clientConfig }, index) => [`/webhooks/${index}/clientConfig`, clientConfig] as const),
    ...(config ? [['/spec/conversion/webhook/clientConfig', config] as const] : []),
  ];
}
