import { isObject } from '../../api/json.ts';

/** What a sidecar's process says when it has written its state file: look now. The file says the rest, its heartbeat too. */
export interface Notice {
  version: string;
  phase: string;
}

const maxBytes = 512;

/** Reads a datagram; undefined for what is none of ours. Anybody in the container may have sent it. */
export function readNotice(bytes: Buffer): Notice | undefined {
  if (bytes.length > maxBytes) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isObject(raw)) return undefined;
  const { version, phase } = raw;
  if (typeof version !== 'string' || !/^\d{1,20}$/.test(version)) return undefined;
  return typeof phase === 'string' && /^[a-z]{1,20}$/.test(phase) ? { version, phase } : undefined;
}
