import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { batonImage } from '../../deploy/image/baton.ts';
import { writeImages } from '../../deploy/image/image.ts';
import { temporaryDirectory } from '../helpers/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const MAX_BYTES = 60_000_000;

test('the images of controller and agent have Node.js 24, and are below 60 MB in a registry', (t) => {
  const file = join(temporaryDirectory(t), 'images.tar');
  const components = ['controller', 'agent'] as const;
  const digests = writeImages(
    file,
    components.map((component) => batonImage(root, component, `baton-${component}:1`)),
    'gzip',
  );
  for (const [index, digest] of digests.entries()) {
    const path = `blobs/${digest.replace(':', '/')}`;
    const manifest = JSON.parse(execFileSync('tar', ['-xOf', file, path], { encoding: 'utf8' })) as {
      layers: { size: number }[];
    };
    const size = manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
    t.log(`baton-${components[index] ?? ''}: ${(size / 1e6).toFixed(1)} MB`);
    // Node.js alone is more than that.
    t.true(size > 20_000_000 && size < MAX_BYTES, `${size} bytes`);
  }
  const layer = batonImage(root, 'agent', 'baton-agent:1').layers[0] ?? {};
  const version = execFileSync(layer['/usr/local/bin/node'] as string, ['--version'], { encoding: 'utf8' });
  t.regex(version, /^v24\./);
});
