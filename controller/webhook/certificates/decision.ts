import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { AUTHORITY_LIFE, SERVING_LIFE } from './issue.ts';
import { certificatesIn, readCertificate, type KeyPair } from './key-pair.ts';

/** What replicas share: the authority that signs, what is served, and all authorities that clients are to trust. */
export interface Material {
  authority: KeyPair;
  serving: KeyPair;
  /** PEM, the newest first. */
  bundle: string;
}

/** What is to be done now. Whatever it is, what is served stays served until it is done. */
export type Decision =
  /** Nothing that could be served: begin anew; authorities that are trusted already stay so. */
  | { action: 'begin'; why: string }
  /** A new authority, trusted beside the old ones; the old one's certificate is served on. */
  | { action: 'renewAuthority'; why: string }
  /** Another certificate from the authority that there is. */
  | { action: 'renewServing'; why: string }
  /** Authorities in the bundle that have expired. */
  | { action: 'prune'; bundle: string }
  | { action: 'none' };

export interface Situation {
  /** What the Secret holds; undefined if there is none, or it lacks a part. */
  material: Partial<Material> | undefined;
  /** For how long all clients have been seen to trust the whole bundle, in milliseconds; undefined while they do not. */
  trustedFor: number | undefined;
  /** DNS names and IP addresses that the server is called by. */
  names: readonly string[];
  /** Wall-clock milliseconds. */
  now: number;
}

/** How long API servers may take to see a bundle that is stored, in milliseconds. */
const SETTLE = 60_000;

/** Decides from what is seen alone, so that any replica may ask at any moment, and go on with what another began. */
export function decide({ material, trustedFor, names, now }: Situation): Decision {
  const sound = soundOf(material);
  if (typeof sound === 'string') return { action: 'begin', why: sound };
  const { authority, serving, trusted } = sound;
  if (endOf(authority) <= now) return { action: 'begin', why: 'the authority has expired' };
  if (endOf(authority) - now < AUTHORITY_LIFE / 4) {
    return { action: 'renewAuthority', why: 'the authority expires in less than a quarter of its life' };
  }
  const why = staleness(serving, authority, names, now);
  const isTrusted = trustedFor !== undefined && trustedFor >= SETTLE;
  const isOwn = serving.checkIssued(authority);
  // An authority's first certificate waits until it is trusted everywhere, unless what is served is of no use anyway.
  if (why !== undefined && (isOwn || isTrusted || endOf(serving) <= now)) return { action: 'renewServing', why };
  const lasting = trusted.filter((certificate) => endOf(certificate) > now);
  if (lasting.length < trusted.length) return { action: 'prune', bundle: bundleOf(lasting) };
  return { action: 'none' };
}

/** Why the certificate that is served should be another; undefined if it should not. */
function staleness(
  serving: X509Certificate,
  authority: X509Certificate,
  names: readonly string[],
  now: number,
): string | undefined {
  if (!serving.checkIssued(authority)) return 'it is of the authority before';
  if (endOf(serving) - now < SERVING_LIFE / 3) return 'it expires in less than a third of its life';
  const missing = names.find((name) => (isIP(name) ? serving.checkIP(name) : serving.checkHost(name)) === undefined);
  return missing === undefined ? undefined : `it is not for ${missing}`;
}

interface Sound {
  authority: X509Certificate;
  serving: X509Certificate;
  trusted: X509Certificate[];
}

/** The certificates, or what is wrong with them. */
function soundOf({ authority, serving, bundle }: Partial<Material> = {}): Sound | string {
  if (!authority || !serving || bundle === undefined) return 'there are no certificates';
  const [signer, served] = [authority.certificate, serving.certificate].map(readCertificate);
  const trusted = certificatesIn(bundle).flatMap((pem) => readCertificate(pem) ?? []);
  if (!signer || !isKeyOf(authority.key, signer)) return "the authority's certificate or key cannot be read";
  if (!served || !isKeyOf(serving.key, served)) return "the server's certificate or key cannot be read";
  if (!trusted.some(({ raw }) => raw.equals(signer.raw))) return 'the bundle lacks the authority';
  // The issuer is compared by name and key: anything may be in a Secret.
  if (!trusted.some((issuer) => served.checkIssued(issuer) && served.verify(issuer.publicKey))) {
    return 'what is served is of no authority in the bundle';
  }
  return { authority: signer, serving: served, trusted };
}

function isKeyOf(key: string, certificate: X509Certificate): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

const endOf = ({ validTo }: X509Certificate): number => Date.parse(validTo);

/** The bundle with another authority in front. */
export const withAuthority = (bundle: string | undefined, { certificate }: KeyPair, now: number): string => {
  const old = certificatesIn(bundle ?? '').flatMap((pem) => readCertificate(pem) ?? []);
  return certificate + bundleOf(old.filter((each) => endOf(each) > now));
};

const bundleOf = (certificates: readonly X509Certificate[]): string => certificates.map(String).join('');
