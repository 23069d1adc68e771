import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BUILT, ETCD_VERSION, hasProgram, KUBERNETES_VERSION } from './folder.ts';
import type { Progress } from './progress.ts';

const modules = (name: 'kube' | 'etcd'): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const kubernetes = BUILT.filter((name) => name !== 'etcd');

const PROBE_TIMEOUT_MS = 120_000;
const BUILD_TIMEOUT_MS = 40 * 60_000;

/** Where Go's own installer puts it, and leaves PATH to the user. */
const INSTALLED = '/usr/local/go/bin';

/** Whether there is a Go that takes our modules and has them within reach; Go's own words where it cannot. */
export async function findGo(
  environment: Readonly<Record<string, string | undefined>>,
  installed = INSTALLED,
): Promise<{ program: string } | { reason: string }> {
  const folders = [...(environment['PATH'] ?? '').split(delimiter).filter(Boolean), installed];
  const folder = folders.find((path) => hasProgram(path, 'go'));
  if (folder === undefined) return { reason: 'no Go is installed to build them with' };
  const program = join(folder, 'go');
  for (const [name, module] of [
    ['etcd', 'go.etcd.io/etcd/server/v3'],
    ['kube', 'k8s.io/kubernetes'],
  ] as const) {
    const { code, output } = await run(program, ['mod', 'download', module], modules(name), PROBE_TIMEOUT_MS);
    if (code !== 0) return { reason: `${program} cannot build them: ${output.trim().split('\n').at(-1) ?? ''}` };
  }
  return { program };
}

/** Compiles all of them into `folder`: minutes, unless Go's own cache has the parts. */
export async function build(go: string, folder: string, tell: Progress): Promise<void> {
  const version = 'k8s.io/component-base/version';
  const [major = '', minor = ''] = KUBERNETES_VERSION.split('.');
  const settings = { gitVersion: `v${KUBERNETES_VERSION}`, gitMajor: major, gitMinor: minor };
  const flags = Object.entries(settings).map(([name, value]) => `-X ${version}.${name}=${value}`);
  const packages = kubernetes.map((name) => `k8s.io/kubernetes/cmd/${name}`);
  await compile(go, 'kube', ['-ldflags', `-s -w ${flags.join(' ')}`, '-o', `${folder}/`, ...packages], tell);
  await compile(go, 'etcd', ['-ldflags', '-s -w', '-o', join(folder, 'etcd'), 'go.etcd.io/etcd/server/v3'], tell);
}

async function compile(go: string, name: 'kube' | 'etcd', args: string[], tell: Progress): Promise<void> {
  const what = name === 'kube' ? `Kubernetes ${KUBERNETES_VERSION}` : `etcd ${ETCD_VERSION}`;
  let packages = 0;
  let doing = `building ${what} from source, once: this takes minutes`;
  const seen = (line: string): void => {
    const fetched = /^go: downloading (\S+)/.exec(line);
    if (!fetched) packages += 1;
    doing = fetched ? `downloading ${fetched[1] ?? ''}` : `building ${what} from source, once: ${packages} packages`;
    tell(doing);
  };
  tell(doing);
  // Go says nothing while it links.
  const timer = setInterval(() => tell(doing), 1_000);
  const { code, output } = await run(go, ['build', '-v', '-trimpath', ...args], modules(name), BUILD_TIMEOUT_MS, seen);
  clearInterval(timer);
  if (code !== 0) throw new Error(`${what} cannot be built:\n${output.trim().split('\n').slice(-15).join('\n')}`);
}

async function run(
  program: string,
  args: string[],
  cwd: string,
  timeout: number,
  seen: (line: string) => void = () => undefined,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, args, {
    cwd,
    timeout,
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  createInterface(child.stderr).on('line', (line) => {
    output += `${line}\n`;
    seen(line);
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(null);
    });
    child.once('close', resolve);
  });
  return { code, output };
}
