import { ApiError } from '../../../api/error.ts';
import type { Cluster, Key } from '../../../cluster/cluster.ts';
import { decide, withAuthority, type Decision, type Material } from './decision.ts';
import { issueAuthority, issueServing } from './issue.ts';
import type { KeyPair } from './key-pair.ts';
import { publishBundle, type Clients } from './publish.ts';
import { readMaterial, writeMaterial } from './secret.ts';

export interface KeeperOptions {
  cluster: Cluster;
  /** The Secret that the replicas share. */
  secret: Key;
  clients: Clients;
  /** DNS names and IP addresses that API servers call the webhooks by. */
  names: readonly string[];
  /** Wall-clock milliseconds. */
  now: () => number;
  /** Milliseconds of a clock that nobody sets. */
  monotonic: () => number;
  /** Told when API servers cannot be told of the bundle; what is served is not touched by that. */
  onError: (error: unknown) => void;
}

/** What is to be served. */
export interface Kept {
  keyPair: KeyPair;
  /** Whether all API servers are known to be told of it. */
  isPublished: boolean;
}

/** How often other replicas may come in between before it is a failure. */
const ATTEMPTS = 10;

/**
 * Keeps certificates of Baton's own making in a Secret, renews them in time, and tells API servers whom to trust before
 * anything is served that they do not trust yet. Each call looks, does what is to be done, and says what to serve; every
 * replica calls it again and again.
 *
 * @returns a function that throws ApiErrors of the cluster when the Secret cannot be read or written
 */
export function createCertificateKeeper(options: KeeperOptions): () => Promise<Kept> {
  const { cluster, secret, clients, names, now, monotonic, onError } = options;
  let trusted: { bundle: string; since: number } | undefined;

  /** For how long the bundle has been seen everywhere, without a break. */
  const published = async (bundle: string): Promise<number | undefined> => {
    try {
      const isThere = await publishBundle(cluster, bundle, clients);
      if (!isThere || trusted?.bundle !== bundle) trusted = { bundle, since: monotonic() };
      return monotonic() - trusted.since;
    } catch (error) {
      trusted = undefined;
      // Somebody else wrote; the next call sees what.
      if (!isRace(error)) onError(error);
      return undefined;
    }
  };

  return async () => {
    for (let attempt = 1; ; attempt++) {
      const stored = await readMaterial(cluster, secret);
      const bundle = stored?.material.bundle;
      const trustedFor = bundle === undefined ? undefined : await published(bundle);
      const decision = decide({ material: stored?.material, trustedFor, names, now: now() });
      if (decision.action === 'none') {
        return { keyPair: (stored?.material as Material).serving, isPublished: trustedFor !== undefined };
      }
      try {
        await writeMaterial(cluster, secret, await carriedOut(decision, stored?.material, names, now()), stored);
      } catch (error) {
        if (!isRace(error) || attempt === ATTEMPTS) throw error;
      }
    }
  };
}

async function carriedOut(
  decision: Exclude<Decision, { action: 'none' }>,
  material: Partial<Material> = {},
  names: readonly string[],
  now: number,
): Promise<Material> {
  if (decision.action === 'begin') {
    const authority = await issueAuthority(now);
    const serving = await issueServing(authority, names, now);
    return { authority, serving, bundle: withAuthority(material.bundle, authority, now) };
  }
  // Anything but a beginning is decided on whole material only.
  const whole = material as Material;
  switch (decision.action) {
    case 'renewAuthority': {
      const authority = await issueAuthority(now);
      return { ...whole, authority, bundle: withAuthority(whole.bundle, authority, now) };
    }
    case 'renewServing':
      return { ...whole, serving: await issueServing(whole.authority, names, now) };
    case 'prune':
      return { ...whole, bundle: decision.bundle };
  }
}

const isRace = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 'ERR_BATON_CONFLICT' || error.code === 'ERR_BATON_EXISTS');
