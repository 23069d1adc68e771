import type { Cluster, Key, KubernetesObject } from '../../../cluster/cluster.ts';
import { secrets } from '../../../cluster/resource.ts';
import { ApiError } from '../../../api/error.ts';
import type { Material } from './decision.ts';

/** What a Secret holds, and at which moment. */
export interface Stored {
  material: Partial<Material>;
  resourceVersion: string;
}

type Secret = KubernetesObject & { type?: string; data?: Record<string, string> };

/** Under which keys of the Secret the parts are; `tls.crt` and `tls.key` as Kubernetes names them. */
const KEYS = {
  authorityCertificate: 'ca.crt',
  authorityKey: 'ca.key',
  servingCertificate: 'tls.crt',
  servingKey: 'tls.key',
  bundle: 'bundle.crt',
} as const;

/** Reads the Secret; undefined if there is none. A part that is missing is left out. */
export async function readMaterial(cluster: Cluster, key: Key): Promise<Stored | undefined> {
  let secret: Secret;
  try {
    secret = await cluster.get<Secret>(secrets, key);
  } catch (error) {
    if (error instanceof ApiError && error.code === 'ERR_BATON_NOT_FOUND') return undefined;
    throw error;
  }
  const text = (name: string): string | undefined => {
    const value = secret.data?.[name];
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
  };
  const pair = (certificate: string | undefined, pem: string | undefined) =>
    certificate !== undefined && pem !== undefined ? { certificate, key: pem } : undefined;
  const authority = pair(text(KEYS.authorityCertificate), text(KEYS.authorityKey));
  const serving = pair(text(KEYS.servingCertificate), text(KEYS.servingKey));
  const bundle = text(KEYS.bundle);
  return {
    material: { ...(authority && { authority }), ...(serving && { serving }), ...(bundle !== undefined && { bundle }) },
    resourceVersion: secret.metadata.resourceVersion ?? '',
  };
}

/**
 * Writes the Secret, if it is still as it was read.
 *
 * @throws ApiError `ERR_BATON_CONFLICT` or `ERR_BATON_EXISTS` when another replica wrote meanwhile: read again
 */
export async function writeMaterial(
  cluster: Cluster,
  key: Key,
  { authority, serving, bundle }: Material,
  stored: Stored | undefined,
): Promise<void> {
  const texts = {
    [KEYS.authorityCertificate]: authority.certificate,
    [KEYS.authorityKey]: authority.key,
    [KEYS.servingCertificate]: serving.certificate,
    [KEYS.servingKey]: serving.key,
    [KEYS.bundle]: bundle,
  };
  const data = Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
  );
  if (stored) await cluster.patch(secrets, key, { data }, { resourceVersion: stored.resourceVersion });
  else await cluster.create<Secret>(secrets, { metadata: { ...key }, type: 'Opaque', data });
}
