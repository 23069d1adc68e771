import { BatonError } from './errors.ts';

/** What a process is to do, from the two versions that its container was started with. */
export type Role = 'first' | 'successor' | 'idle' | 'stale';

/** The outcome of {@link negotiate}. Versions are decimal strings, as the SidecarSet writes them. */
export interface Negotiated {
  role: Role;
  version: string;
  /** The other copy's version; absent where there is none (`0`). */
  alternative?: string;
}

/** Longer than any resourceVersion, short enough for a socket's path. */
const MAX_DIGITS = 32;

function parse(variable: string, value: string): bigint {
  if (!/^\d+$/.test(value) || value.length > MAX_DIGITS) {
    throw new BatonError(
      'ERR_BATON_VERSION',
      `${variable} is ${JSON.stringify(value)}; it must be a decimal number of at most ${MAX_DIGITS} digits. ` +
        'Look at the pod annotation that it is read from, or unset both versions to run without upgrades.',
      { facts: { variable, value } },
    );
  }
  return BigInt(value);
}

/**
 * Tells a process its role from `SIDECARSET_VERSION` and `SIDECARSET_VERSION_ALT` (the table of OpenKruise's hot-upgrade
 * proposal): 0 idles, a version without another starts first, the higher of two takes over, the lower of two was
 * restarted during an upgrade and is stale. Without both variables the process is the first of version 1.
 *
 * An empty or missing `SIDECARSET_VERSION_ALT` counts as 0: pods injected before that annotation existed have none.
 *
 * @throws BatonError `ERR_BATON_VERSION` for a value that is no decimal number, for two equal versions, or for a missing
 *   `SIDECARSET_VERSION` beside a given `SIDECARSET_VERSION_ALT`.
 */
export function negotiate(env: Readonly<Record<string, string | undefined>>): Negotiated {
  const { SIDECARSET_VERSION: own, SIDECARSET_VERSION_ALT: other } = env;
  if (own === undefined && other === undefined) return { role: 'first', version: '1' };
  const version = parse('SIDECARSET_VERSION', own ?? '');
  const alternative = parse('SIDECARSET_VERSION_ALT', other === undefined || other === '' ? '0' : other);
  if (version === 0n) return { role: 'idle', version: '0' };
  if (alternative === 0n) return { role: 'first', version: String(version) };
  if (version === alternative) {
    throw new BatonError(
      'ERR_BATON_VERSION',
      `SIDECARSET_VERSION and SIDECARSET_VERSION_ALT are both ${version}; two copies never share a version. ` +
        'Give the newer process the higher number.',
      { facts: { version: String(version) } },
    );
  }
  const role = version > alternative ? 'successor' : 'stale';
  return { role, version: String(version), alternative: String(alternative) };
}
