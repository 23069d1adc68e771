/** A machine that the package brings the addon for. */
export interface Target {
  /** The folder of it in `prebuilds/`, as the loader (addon.ts) looks for it. */
  name: string;
  /** Its name in Zig's terms. */
  triple: string;
}

/** 2.28 is what Node.js itself needs since version 18: no older glibc can run it. */
export const targets: readonly Target[] = [
  { name: 'linux-x64-glibc', triple: 'x86_64-linux-gnu.2.28' },
  { name: 'linux-arm64-glibc', triple: 'aarch64-linux-gnu.2.28' },
  { name: 'linux-x64-musl', triple: 'x86_64-linux-musl' },
  { name: 'linux-arm64-musl', triple: 'aarch64-linux-musl' },
];
