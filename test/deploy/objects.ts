import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { applyPatch } from '../../cluster/memory/apply.ts';

export const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url));

/** An object of `deploy/`. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  // Each kind has its own fields.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  [field: string]: any;
}

interface Kustomization {
  resources: string[];
  patches?: { path?: string }[];
}

/** The objects that `kubectl apply -k` makes of a folder, as far as the folder needs no more than merging whole patches. */
export function objectsOf(folder = join(deploy, 'base')): Manifest[] {
  const { resources, patches = [] } = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as Kustomization;
  const objects = resources.flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? objectsOf(path) : documentsIn(path);
  });
  for (const { path = '' } of patches) {
    for (const patch of documentsIn(join(folder, path))) {
      const index = objects.findIndex(
        ({ kind, metadata }) => kind === patch.kind && metadata.name === patch.metadata.name,
      );
      const object = objects[index];
      if (!object) throw new Error(`${path} changes ${patch.kind} ${patch.metadata.name}, which is not there`);
      objects[index] = applyPatch(object, patch) as unknown as Manifest;
    }
  }
  return objects;
}

function documentsIn(file: string): Manifest[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
    const [error] = [...document.errors, ...document.warnings];
    if (error) throw new Error(`${file}: ${error.message}`);
    return document.toJS() as Manifest;
  });
}

/** The one object of that kind and name. */
export function objectOf(kind: string, name: string, objects = objectsOf()): Manifest {
  const [found, ...more] = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (!found || more.length > 0) throw new Error(`${more.length + (found ? 1 : 0)} objects ${kind} ${name}`);
  return found;
}

/** Where the API server takes objects of a kind. */
export function pathOf({ apiVersion, kind, metadata: { namespace } }: Manifest): string {
  const irregular: Record<string, string> = { ValidatingAdmissionPolicy: 'validatingadmissionpolicies' };
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const home = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${root}${home}/${irregular[kind] ?? `${kind.toLowerCase()}s`}`;
}
