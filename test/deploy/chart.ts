import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { KUBERNETES_VERSION } from '../cluster/binaries/folder.ts';
import { deploy, type Manifest } from './objects.ts';

export const chart = join(deploy, 'chart');

/** What Helm printed, and whether it succeeded. */
export interface HelmAnswer {
  code: number;
  output: string;
}

export function runHelm(helm: string, ...args: string[]): Promise<HelmAnswer> {
  return new Promise((resolve, reject) => {
    execFile(helm, args, { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(new Error(`${helm} did not run`, { cause: error }));
      else resolve({ code: Number(error?.code ?? 0), output: error ? `${stdout}${stderr}` : stdout });
    });
  });
}

/** A Helm that was built as a Go module has no idea of a current one. */
export const forCluster = ['--kube-version', KUBERNETES_VERSION];

/** `helm template` as a release in `baton-system`; values are JSON. */
export async function template(helm: string, values: object = {}, namespace = 'baton-system'): Promise<HelmAnswer> {
  const given = Object.entries(values).flatMap(([path, value]) => ['--set-json', `${path}=${JSON.stringify(value)}`]);
  return runHelm(helm, 'template', 'baton', chart, '--namespace', namespace, ...forCluster, ...given);
}

/** The objects that the chart makes of these values, by their paths in values.yaml. */
export async function render(helm: string, values: object = {}, namespace?: string): Promise<Manifest[]> {
  const { code, output } = await template(helm, values, namespace);
  if (code !== 0) throw new Error(output);
  return parseAllDocuments(output).flatMap((document) => {
    const [error] = [...document.errors, ...document.warnings];
    if (error) throw new Error(`the chart's YAML: ${error.message}`);
    const object = document.toJS() as Manifest | null;
    return object ? [object] : [];
  });
}
