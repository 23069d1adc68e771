import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parse } from 'yaml';
import { isObject } from '../../../api/json.ts';
import { messageOf } from '../../../sdk/errors.ts';
import { KUBERNETES_VERSION, missingIn, NEEDED } from './folder.ts';
import type { Progress } from './progress.ts';

/** One release archive of the envtest binaries (kube-apiserver, etcd, kubectl) for one platform. */
export interface Archive {
  version: string;
  address: string;
  sha512: string;
}

/** The list of all archives, kept by Kubernetes' controller-tools. */
export const RELEASES = 'https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml';

const INDEX_TIMEOUT_MS = 10_000;
const ARCHIVE_TIMEOUT_MS = 15 * 60_000;
const GO_ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64', ppc64: 'ppc64le', s390x: 's390x' };

/** The newest patch release of the minor version that is built elsewhere, out of the list of archives. */
export function chooseArchive(index: unknown, platform: string): Archive | { reason: string } {
  const releases = isObject(index) && isObject(index['releases']) ? index['releases'] : {};
  const [major = '', minor = ''] = KUBERNETES_VERSION.split('.');
  const version = Object.keys(releases)
    .filter((name) => new RegExp(`^v${major}\\.${minor}\\.\\d+$`).test(name))
    .toSorted(new Intl.Collator('en', { numeric: true }).compare)
    .at(-1);
  if (version === undefined) return { reason: `the list of release archives has no Kubernetes ${major}.${minor}` };
  const archives = releases[version];
  const archive = isObject(archives) ? archives[`envtest-${version}-${platform}.tar.gz`] : undefined;
  if (!isObject(archive)) return { reason: `the release archives of ${version} have none for ${platform}` };
  const { selfLink, hash } = archive;
  if (typeof selfLink !== 'string' || typeof hash !== 'string' || !/^[0-9a-f]{128}$/.test(hash))
    return { reason: `the list of release archives has no address or SHA-512 for ${version} on ${platform}` };
  return { version, address: selfLink, sha512: hash };
}

/** Asks the list for this machine's archive. */
export async function findArchive(list = RELEASES): Promise<Archive | { reason: string }> {
  try {
    const response = await fetch(list, { signal: AbortSignal.timeout(INDEX_TIMEOUT_MS) });
    if (!response.ok) return { reason: `${list} answers ${response.status}` };
    return chooseArchive(
      parse(await response.text()),
      `${process.platform}-${GO_ARCHITECTURES[process.arch] ?? process.arch}`,
    );
  } catch (error) {
    return { reason: `${list} cannot be read: ${messageOf(error)}${causeOf(error)}` };
  }
}

/**
 * Fills `folder`, which must not exist yet, with the archive's programs.
 *
 * @throws Error when the archive cannot be had, is not the listed one, or lacks a program
 */
export async function download({ version, address, sha512 }: Archive, folder: string, tell: Progress): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const packed = join(folder, 'archive.tar.gz');
  const response = await fetch(address, { signal: AbortSignal.timeout(ARCHIVE_TIMEOUT_MS) });
  if (!response.ok || !response.body) throw new Error(`${address} answers ${response.status}`);
  const hash = createHash('sha512');
  let bytes = 0;
  const digest = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      tell(`downloading Kubernetes ${version}: ${Math.round(bytes / 1e6)} MB`);
      done(null, chunk);
    },
  });
  await pipeline(Readable.fromWeb(response.body), digest, createWriteStream(packed));
  const found = hash.digest('hex');
  if (found !== sha512) throw new Error(`${address} has SHA-512 ${found}, and ${sha512} is listed: not used`);

  const content = join(folder, 'content');
  mkdirSync(content);
  const tar = spawnSync('tar', ['-xzf', packed, '-C', content, '--no-same-owner'], { encoding: 'utf8' });
  if (tar.status !== 0) throw new Error(`${address} cannot be unpacked: ${tar.error?.message ?? tar.stderr.trim()}`);
  for (const path of readdirSync(content, { recursive: true, encoding: 'utf8' })) {
    if (['kubectl', ...NEEDED].includes(basename(path))) renameSync(join(content, path), join(folder, basename(path)));
  }
  for (const name of [packed, content]) rmSync(name, { recursive: true });
  const missing = missingIn(folder, NEEDED);
  if (missing.length > 0) throw new Error(`${address} has no ${missing.join(' and no ')}`);
}

const causeOf = (error: unknown): string =>
  error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
