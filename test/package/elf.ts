import { execFileSync } from 'node:child_process';

/** What a shared library is and asks for, as binutils' readelf tells. */
export interface Elf {
  /** `Advanced Micro Devices X86-64`, `AArch64`. */
  machine: string;
  needed: string[];
  /** The newest of each: `{ GLIBC: '2.17' }`. */
  versions: Record<string, string>;
  /** Names that others can link to. */
  exported: string[];
}

export function elfOf(file: string): Elf {
  const readelf = (...options: string[]): string =>
    execFileSync('readelf', [...options, '--wide', file], { encoding: 'utf8' });
  const versions: Record<string, string> = {};
  for (const [, name = '', version = ''] of readelf('--version-info').matchAll(/Name: (\w+)_([\d.]+) /g)) {
    if (isNewer(version, versions[name] ?? '0')) versions[name] = version;
  }
  return {
    machine: /Machine: +(.+)/.exec(readelf('--file-header'))?.[1] ?? '',
    needed: [...readelf('--dynamic').matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name ?? ''),
    versions,
    exported: [...readelf('--dyn-syms').matchAll(/ (?:FUNC|OBJECT) +(?:GLOBAL|WEAK) +DEFAULT +\d+ (\S+)/g)].map(
      ([, name]) => name ?? '',
    ),
  };
}

/** Of dotted numbers, compared one by one. */
export function isNewer(a: string, b: string): boolean {
  return a.localeCompare(b, 'en', { numeric: true }) > 0;
}
