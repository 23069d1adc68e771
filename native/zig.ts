import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A C++ compiler for every target, with the C libraries of all of them. */
export const ZIG_VERSION = '0.15.2';

const folder = fileURLToPath(new URL(`../.cache/zig-${ZIG_VERSION}`, import.meta.url));

/**
 * The program `zig`, from PyPI, installed if it is not there: 80 MB to fetch, 400 MB on disk.
 *
 * @throws Error when pip cannot install it
 */
export function zig(): string {
  const program = join(folder, 'ziglang/zig');
  if (existsSync(program)) return program;
  console.log(`zig: installing ${ZIG_VERSION} from PyPI into ${folder}, once`);
  const unfinished = join(dirname(folder), `.zig-${process.pid}`);
  const args = ['-m', 'pip', 'install', '--target', unfinished, '--no-deps', '--disable-pip-version-check'];
  const { status, error } = spawnSync('python3', [...args, `ziglang==${ZIG_VERSION}`], { stdio: 'inherit' });
  if (status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    const reason = error?.message ?? 'pip says why above';
    throw new Error(
      `zig cannot be installed (${reason}): it needs python3 with pip (Debian: apt-get install python3-pip)`,
    );
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  return program;
}
