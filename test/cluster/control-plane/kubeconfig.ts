import { writeFileSync } from 'node:fs';
import type { Access } from './api.ts';

/** Writes a kubeconfig file, for kubectl and client libraries; as JSON, which is YAML too. Its user alone can read it. */
export function writeKubeconfig(file: string, { url, ca, token }: Access): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'test', cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  };
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}
