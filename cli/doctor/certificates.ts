import { X509Certificate } from 'node:crypto';

/** A certificate is renewed long before: one that ends so soon is not looked after. In milliseconds. */
const SOON = 7 * 86_400_000;

/** Certificates as PEM, and who has them: `the webhooks serve`. */
export interface Bundle {
  what: string;
  pem: string;
}

/** What is wrong with certificates. */
export interface Complaint {
  message: string;
  isOver: boolean;
}

/**
 * What is wrong with the certificates that API servers trust and those that the webhooks serve: of those that are trusted one must
 * last, of those that are served the first one; and while they last, the former must vouch for the latter.
 */
export function complaintsAbout(trusted: readonly Bundle[], served: Bundle | undefined, now: number): Complaint[] {
  const all = [...trusted, ...(served ? [served] : [])];
  const unreadable = all.filter(({ pem }) => read(pem) === undefined);
  const readable = all.filter((bundle) => !unreadable.includes(bundle));
  const chain = read(served?.pem ?? '') ?? [];
  const aged = readable.flatMap((bundle) => ageOf(bundle, now, bundle === served ? 'first' : 'any') ?? []);
  const isSound = chain.length > 0 && aged.length === 0;
  const strange = trusted.filter(({ pem }) => isSound && !trusts(read(pem) ?? chain, chain));
  return [
    ...unreadable.map(({ what }) => ({ message: `${what} a certificate that cannot be read`, isOver: true })),
    ...aged,
    ...strange.map(({ what }) => ({ message: `${what} others than what the webhooks serve`, isOver: true })),
  ];
}

function ageOf({ what, pem }: Bundle, now: number, which: 'any' | 'first'): Complaint | undefined {
  const ends = (read(pem) ?? []).map(({ validTo }) => Date.parse(validTo));
  const until = which === 'any' ? Math.max(...ends) : (ends[0] ?? Infinity);
  if (ends.length === 0 || until - now > SOON) return undefined;
  const isOver = until <= now;
  return {
    message: `${what} a certificate that ${isOver ? 'ended' : 'ends'} at ${new Date(until).toISOString()}`,
    isOver,
  };
}

const trusts = (bundle: readonly X509Certificate[], chain: readonly X509Certificate[]): boolean =>
  chain.some((one) => bundle.some((other) => one.raw.equals(other.raw) || one.verify(other.publicKey)));

/** All certificates; undefined if one cannot be read, or there is none where there is text. */
function read(pem: string): X509Certificate[] | undefined {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0 && pem !== '') return undefined;
  try {
    return found.map((certificate) => new X509Certificate(certificate));
  } catch {
    return undefined;
  }
}
