import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BUILT, ETCD_VERSION, hasProgram, HELM_VERSION, KUBERNETES_VERSION } from './folder.ts';
import type { Progress } from './progress.ts';

/** The folders with a `go.mod`, and the module that each is there for. */
const MODULES = {
  etcd: 'go.etcd.io/etcd/server/v3',
  kube: 'k8s.io/kubernetes',
  helm: 'helm.sh/helm/v4',
} as const;
type Module = keyof typeof MODULES;

const folderOf = (name: Module): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const kubernetes = BUILT.filter((name) => name !== 'etcd');

const PROBE_TIMEOUT_MS = 120_000;
const BUILD_TIMEOUT_MS = 40 * 60_000;

/** Where Go's own installer puts it, and leaves PATH to the user. */
const INSTALLED = '/usr/local/go/bin';

/** Whether there is a Go that takes our modules and has them within reach; Go's own words where it cannot. */
export async function findGo(
  environment: Readonly<Record<string, string | undefined>>,
  installed = INSTALLED,
  modules: readonly Module[] = ['etcd', 'kube'],
): Promise<{ program: string } | { reason: string }> {
  const folders = [...(environment['PATH'] ?? '').split(delimiter).filter(Boolean), installed];
  const folder = folders.find((path) => hasProgram(path, 'go'));
  if (folder === undefined) return { reason: 'no Go is installed to build them with' };
  const program = join(folder, 'go');
  for (const name of modules) {
    const { code, output } = await run(program, ['mod', 'download', MODULES[name]], folderOf(name), PROBE_TIMEOUT_MS);
    if (code !== 0) return { reason: `${program} cannot build them: ${output.trim().split('\n').at(-1) ?? ''}` };
  }
  return { program };
}

/** Compiles a control plane and a kubelet into `folder`: minutes, unless Go's own cache has the parts. */
export async function build(go: string, folder: string, tell: Progress): Promise<void> {
  const version = 'k8s.io/component-base/version';
  const [major = '', minor = ''] = KUBERNETES_VERSION.split('.');
  const settings = { gitVersion: `v${KUBERNETES_VERSION}`, gitMajor: major, gitMinor: minor };
  const flags = Object.entries(settings).map(([name, value]) => `-X ${version}.${name}=${value}`);
  const packages = kubernetes.map((name) => `k8s.io/kubernetes/cmd/${name}`);
  await compile(go, 'kube', ['-ldflags', `-s -w ${flags.join(' ')}`, '-o', `${folder}/`, ...packages], tell);
  await compile(go, 'etcd', ['-ldflags', '-s -w', '-o', join(folder, 'etcd'), 'go.etcd.io/etcd/server/v3'], tell);
}

/** Compiles Helm into `folder`: minutes, likewise. */
export function buildHelm(go: string, folder: string, tell: Progress): Promise<void> {
  const version = `-X helm.sh/helm/v4/internal/version.version=v${HELM_VERSION}`;
  const args = ['-ldflags', `-s -w ${version}`, '-o', join(folder, 'helm'), 'helm.sh/helm/v4/cmd/helm'];
  return compile(go, 'helm', args, tell);
}

const titles: Record<Module, string> = {
  etcd: `etcd ${ETCD_VERSION}`,
  kube: `Kubernetes ${KUBERNETES_VERSION}`,
  helm: `Helm ${HELM_VERSION}`,
};

async function compile(go: string, name: Module, args: string[], tell: Progress): Promise<void> {
  const what = titles[name];
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
  const { code, output } = await run(go, ['build', '-v', '-trimpath', ...args], folderOf(name), BUILD_TIMEOUT_MS, seen);
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
