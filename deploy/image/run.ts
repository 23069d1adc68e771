/*
 * Writes the image of a service as an OCI archive: `npm run image -- controller OUT.tar [NAME:TAG]`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { batonImage, type Component } from './baton.ts';
import { writeImage } from './image.ts';

const help = `Usage: npm run image -- COMPONENT OUT.tar [NAME:TAG]

Writes the image of COMPONENT (controller or agent) as an OCI archive, with gzip, from Node.js 24 (this machine's, or npm's)
and the bundle in dist/ (npm run build): no registry and no Docker. NAME:TAG is what the manifests in deploy/ use, unless given.
Then, for example:

  ctr --namespace k8s.io images import OUT.tar
  skopeo copy oci-archive:OUT.tar docker://REGISTRY/NAME:TAG

For Node.js from its own image, and other architectures: docker build --file deploy/Dockerfile --target COMPONENT .

Exit status: 0 success, 1 failure, 2 wrong usage.
`;

const root = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** What registries and the kubelet take, with its tag. */
const TAGGED = /^[a-z0-9][\w.-]*(:\d+)?(\/[a-z0-9][a-z0-9._-]*)*:\w[\w.-]{0,127}$/;

const isComponent = (word: string): word is Component => word === 'controller' || word === 'agent';

function main(args: string[]): number {
  if (args.includes('--help')) {
    process.stdout.write(help);
    return 0;
  }
  let words: string[];
  try {
    words = parseArgs({ args, allowPositionals: true }).positionals;
  } catch {
    words = [];
  }
  const [component = '', out, name = `baton-${component}:${version}`, ...more] = words;
  if (!isComponent(component) || out === undefined || !TAGGED.test(name) || more.length > 0) {
    process.stderr.write(help);
    return 2;
  }
  try {
    const digest = writeImage(out, batonImage(root, component, name), 'gzip');
    process.stdout.write(`${out}: ${name}@${digest}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
