import { createPrivateKey, randomBytes, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type { X509CertificateCreateParamsName } from '@peculiar/x509';
import type { KeyPair } from './key-pair.ts';

/** How long what Baton issues is valid, in milliseconds. */
export const AUTHORITY_LIFE = 730 * 86_400_000;
export const SERVING_LIFE = 90 * 86_400_000;

/** Clocks of other machines may be this far behind, in milliseconds. */
const SKEW = 300_000;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/**
 * Issues a certificate authority of its own.
 *
 * @param now wall-clock milliseconds
 */
export async function issueAuthority(now: number): Promise<KeyPair> {
  const x509 = await load();
  const keys = await newKeys();
  const serialNumber = serial();
  // Another name for each, so that of two in one bundle a client takes the right one.
  const name = `CN=baton-webhook-ca-${serialNumber.slice(0, 8)}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber,
    name,
    keys,
    signingAlgorithm: ALGORITHM,
    ...lasting(now, AUTHORITY_LIFE),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pemOf(certificate), key: await keyText(keys.privateKey) };
}

/**
 * Issues a certificate that a server of these names serves with.
 *
 * @param names DNS names and IP addresses
 * @param now wall-clock milliseconds
 */
export async function issueServing(authority: KeyPair, names: readonly string[], now: number): Promise<KeyPair> {
  const x509 = await load();
  const keys = await newKeys();
  const issuer = new x509.X509Certificate(authority.certificate);
  const { notAfter, ...from } = lasting(now, SERVING_LIFE);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: 'CN=baton-webhook',
    issuer: issuer.subject satisfies X509CertificateCreateParamsName,
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: ALGORITHM,
    ...from,
    // Nobody trusts it behind its authority's end.
    notAfter: notAfter < issuer.notAfter ? notAfter : issuer.notAfter,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }) as const),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pemOf(certificate), key: await keyText(keys.privateKey) };
}

/** Loaded when something is issued, which is seldom: it is large, and wants `reflect-metadata` to be there first. */
async function load(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

const newKeys = (): Promise<webcrypto.CryptoKeyPair> => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

/** A positive number of 16 bytes, as hexadecimal digits. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

const lasting = (now: number, life: number): { notBefore: Date; notAfter: Date } => ({
  notBefore: new Date(now - SKEW),
  notAfter: new Date(now + life),
});

const pemOf = (certificate: { toString: (format: 'pem') => string }): string => `${certificate.toString('pem')}\n`;

async function keyText(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

async function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}
