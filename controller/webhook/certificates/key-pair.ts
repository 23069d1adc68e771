import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ApiError } from '../../../api/error.ts';

/** A certificate and its private key, as PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

/**
 * Checks that a key pair can be served with.
 *
 * @param where names the Secret or the folder that it is from
 * @throws ApiError `ERR_BATON_CERTIFICATE` when one of the two cannot be read, or they do not belong together
 */
export function checkKeyPair({ certificate, key }: KeyPair, where: string): void {
  let fits: boolean;
  try {
    fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    throw new ApiError('ERR_BATON_CERTIFICATE', `${where}: no certificate and key as PEM`, { facts: { where }, cause });
  }
  if (!fits) {
    throw new ApiError('ERR_BATON_CERTIFICATE', `${where}: the key is not the certificate's`, { facts: { where } });
  }
}

/** The certificates of a text of several, each as PEM. What stands between them is left out. */
export const certificatesIn = (bundle: string): string[] =>
  (bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => `${pem}\n`);

/** The certificate, or undefined where the text is none. */
export function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
