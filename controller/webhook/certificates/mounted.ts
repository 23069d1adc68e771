import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError } from '../../../api/error.ts';
import { checkKeyPair, type KeyPair } from './key-pair.ts';

/**
 * Reads `tls.crt` and `tls.key` of a folder, as a Secret of type `kubernetes.io/tls` is mounted (cert-manager's).
 *
 * @throws ApiError `ERR_BATON_CERTIFICATE` when one is missing or cannot be read, or they do not belong together, as between
 *   two writes
 */
export async function readMounted(folder: string): Promise<KeyPair> {
  let texts: string[];
  try {
    texts = await Promise.all(['tls.crt', 'tls.key'].map((name) => readFile(join(folder, name), 'utf8')));
  } catch (cause) {
    throw new ApiError(
      'ERR_BATON_CERTIFICATE',
      `${folder}: tls.crt or tls.key cannot be read; is the Secret mounted?`,
      {
        facts: { where: folder },
        cause,
      },
    );
  }
  const [certificate = '', key = ''] = texts;
  const keyPair = { certificate, key };
  checkKeyPair(keyPair, folder);
  return keyPair;
}

/**
 * Calls back when something in the folder changes. The kubelet changes a mounted Secret by renaming a link inside of it,
 * which is seen where the system tells of changes; whoever uses this also looks from time to time.
 */
export function watchMounted(folder: string, onChange: () => void, signal: AbortSignal): void {
  try {
    // An error after this, such as the folder's end, leaves the looking.
    watch(folder, { signal, persistent: false }, onChange).on('error', () => undefined);
  } catch {
    // No more watches to be had: looking is enough.
  }
}
