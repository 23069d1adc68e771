import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
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
  /** `SIGUSR1`; the default is SIGTERM. */
  stopSignal?: string;
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

interface Layer extends Blob {
  /** Of the archive, however it is stored. */
  diffId: string;
}

/** How layers are stored: `gzip` for registries, which takes seconds; `none` for a containerd of this machine. */
export type Compression = 'gzip' | 'none';

/**
 * Writes images as one OCI archive, for `ctr images import` and, where it is only one, `skopeo copy oci-archive:` or `docker
 * load`. No registry and no Docker: the files are this machine's. The same images have the same bytes, whenever they are
 * written; a layer that several have, the same object, is read and stored once.
 *
 * @returns the digests of their manifests, by which registries and the kubelet know them
 * @throws Error when a file or a library of a program is not there
 */
export function writeImages(file: string, images: readonly Image[], compression: Compression = 'none'): string[] {
  const layers = new Map<Files, Layer>();
  for (const files of images.flatMap((image) => image.layers))
    if (!layers.has(files)) layers.set(files, layerOf(files, compression));
  const mediaType = `${OCI}.layer.v1.tar${compression === 'gzip' ? '+gzip' : ''}`;
  const stored = new Map<string, Blob>();
  const manifests = images.map((image) => {
    const blobs = image.layers.flatMap((files) => layers.get(files) ?? []);
    const config = configOf(image, blobs);
    const manifest = json({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: `${OCI}.config.v1+json`, digest: config.digest, size: config.size },
      layers: blobs.map(({ digest, size }) => ({ mediaType, digest, size })),
    });
    for (const one of [...blobs, config, manifest]) stored.set(one.digest, one);
    const { name } = image;
    return {
      mediaType: MANIFEST,
      digest: manifest.digest,
      size: manifest.size,
      platform: { architecture: architectureOf(image), os: 'linux' },
      annotations: {
        'io.containerd.image.name': name,
        'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
      },
    };
  });
  const entry = (path: string, content: Buffer) => ({ path, mode: 0o644, content });
  const archive = tar([
    entry('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')),
    entry('index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))),
    ...[...stored].map(([digest, { parts }]) => entry(`blobs/${digest.replace(':', '/')}`, Buffer.concat(parts))),
  ]);
  const descriptor = openSync(file, 'w');
  for (const part of archive) write(descriptor, part);
  closeSync(descriptor);
  return manifests.map(({ digest }) => digest);
}

/** {@link writeImages} with one; its digest. */
export const writeImage = (file: string, image: Image, compression?: Compression): string =>
  writeImages(file, [image], compression)[0] ?? '';

const OCI = 'application/vnd.oci.image';
const MANIFEST = `${OCI}.manifest.v1+json`;

const architectureOf = ({ architecture = ARCHITECTURES[process.arch] ?? process.arch }: Image): string => architecture;

const configOf = (image: Image, layers: readonly Layer[]): Blob =>
  json({
    architecture: architectureOf(image),
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      Entrypoint: image.entrypoint,
      Env: Object.entries({ PATH, ...image.env }).map(([key, value]) => `${key}=${value}`),
      ...(image.user !== undefined && { User: image.user }),
      ...(image.workingDir !== undefined && { WorkingDir: image.workingDir }),
      ...(image.stopSignal !== undefined && { StopSignal: image.stopSignal }),
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  });

function layerOf(files: Files, compression: Compression): Layer {
  const plain = blob(tar(entriesOf(files)));
  const stored = compression === 'gzip' ? blob([gzipSync(Buffer.concat(plain.parts))]) : plain;
  return { ...stored, diffId: plain.digest };
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
