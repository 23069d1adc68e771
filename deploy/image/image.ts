import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { entriesOf, type Files } from './files.ts';
import { tar } from './tar.ts';

export interface Image {
  /** The name it gets where it is imported, with a tag: `baton.test/side:v1`. */
  name: string;
  /** From the bottom up. What seldom changes comes first: equal layers are stored once. */
  layers: readonly Files[];
  entrypoint: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** `65532`, or `65532:65532`; the default is root. */
  user?: string;
  workingDir?: string;
  /** Of its programs, in Go's terms (`amd64`, `arm64`); the default is this machine's. */
  architecture?: string;
}

/** Go's names of the architectures whose Node.js has another one. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ppc64: 'ppc64le', ia32: '386' };

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface Blob {
  parts: readonly Buffer[];
  digest: string;
  size: number;
}

/**
 * Writes an image as an OCI archive, for `ctr images import`, `skopeo copy oci-archive:` or `docker load`. No registry and
 * no Docker: the files are this machine's. The same image has the same bytes, whenever it is written.
 *
 * @returns the manifest's digest, by which registries and the kubelet know the image
 * @throws Error when a file or a library of a program is not there
 */
export function writeImage(file: string, image: Image): string {
  const { name, layers, entrypoint, env, user, workingDir } = image;
  const architecture = image.architecture ?? ARCHITECTURES[process.arch] ?? process.arch;
  const blobs = layers.map((files) => blob(tar(entriesOf(files))));
  const config = json({
    architecture,
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      Entrypoint: entrypoint,
      Env: Object.entries({ PATH, ...env }).map(([key, value]) => `${key}=${value}`),
      ...(user !== undefined && { User: user }),
      ...(workingDir !== undefined && { WorkingDir: workingDir }),
    },
    rootfs: { type: 'layers', diff_ids: blobs.map(({ digest }) => digest) },
  });
  const oci = 'application/vnd.oci.image';
  const manifest = json({
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: { mediaType: `${oci}.config.v1+json`, digest: config.digest, size: config.size },
    layers: blobs.map(({ digest, size }) => ({ mediaType: `${oci}.layer.v1.tar`, digest, size })),
  });
  const tag = name.slice(name.lastIndexOf(':') + 1);
  const index = {
    mediaType: `${oci}.manifest.v1+json`,
    digest: manifest.digest,
    size: manifest.size,
    platform: { architecture, os: 'linux' },
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag },
  };
  const entry = (path: string, content: Buffer) => ({ path, mode: 0o644, content });
  const stored = new Map([...blobs, config, manifest].map((one) => [one.digest.replace(':', '/'), one]));
  const archive = tar([
    entry('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')),
    entry('index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [index] }))),
    ...[...stored].map(([path, { parts }]) => entry(`blobs/${path}`, Buffer.concat(parts))),
  ]);
  const descriptor = openSync(file, 'w');
  for (const part of archive) write(descriptor, part);
  closeSync(descriptor);
  return manifest.digest;
}

function blob(parts: readonly Buffer[]): Blob {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  const size = parts.reduce((total, { length }) => total + length, 0);
  return { parts, digest: `sha256:${hash.digest('hex')}`, size };
}

const json = (value: unknown): Blob => blob([Buffer.from(JSON.stringify(value))]);

function write(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
}
