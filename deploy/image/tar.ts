/** One entry of a tar archive. */
export interface Entry {
  /** Relative, without a trailing slash. */
  path: string;
  /** Permissions. */
  mode: number;
  /** None for a folder. */
  content?: Buffer;
}

const BLOCK = 512;

/** A POSIX (ustar) archive, in parts. Owner root and time 0, always: what is equal inside has equal bytes. */
export function tar(entries: readonly Entry[]): Buffer[] {
  const parts = entries.flatMap(({ path, mode, content }) => {
    const head = header(content ? path : `${path}/`, mode, content);
    return content ? [head, content, Buffer.alloc(-content.length & (BLOCK - 1))] : [head];
  });
  return [...parts, Buffer.alloc(2 * BLOCK)];
}

function header(path: string, mode: number, content: Buffer | undefined): Buffer {
  const [prefix, name] = split(path);
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void =>
    void bytes.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  bytes.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(content?.length ?? 0, 124, 12);
  octal(0, 136, 12);
  bytes.write(content ? '0' : '5', 156);
  bytes.write('ustar\x0000', 257, 'latin1');
  bytes.write(prefix, 345);
  bytes.fill(' ', 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

/** Paths longer than 100 bytes are cut at a slash in two. */
function split(path: string): [prefix: string, name: string] {
  if (Buffer.byteLength(path) <= 100) return ['', path];
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (name !== '' && Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return [prefix, name];
  }
  throw new Error(`a tar archive takes no path that long: ${path}`);
}
