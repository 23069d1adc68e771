import type { Cluster } from '../../../cluster/cluster.ts';
import type { FollowOptions } from './follow.ts';
import { createCertificateKeeper } from './keeper.ts';
import { readMounted, watchMounted } from './mounted.ts';
import { installedClients } from './publish.ts';

/** A folder with `tls.crt` and `tls.key`, as cert-manager fills it; or certificates of Baton's own making, for these names. */
export type CertificateChoice = { folder: string } | { names: readonly string[] };

export interface SourceOptions {
  cluster: Cluster;
  /** Where the Secret with Baton's own certificates is. */
  namespace: string;
  signal: AbortSignal;
  /** Told when API servers cannot be told whom to trust. */
  onError: (error: unknown) => void;
}

const SECRET = 'baton-webhook';
/** How often to look whether there is anything to renew, in milliseconds; sooner while API servers are being told. */
const EVERY = { kept: 60_000, telling: 2_000 };

/** Where the webhooks' key pair comes from. */
export function keyPairSource(
  choice: CertificateChoice,
  { cluster, namespace, signal, onError }: SourceOptions,
): Pick<FollowOptions, 'read' | 'wake'> {
  if ('folder' in choice) {
    const { folder } = choice;
    return {
      read: async () => ({ keyPair: await readMounted(folder), again: EVERY.kept }),
      wake: (look) => watchMounted(folder, look, signal),
    };
  }
  const keep = createCertificateKeeper({
    cluster,
    secret: { namespace, name: SECRET },
    clients: installedClients,
    names: choice.names,
    now: Date.now,
    monotonic: () => performance.now(),
    onError,
  });
  return {
    async read() {
      const { keyPair, isPublished } = await keep();
      return { keyPair, again: isPublished ? EVERY.kept : EVERY.telling };
    },
  };
}
