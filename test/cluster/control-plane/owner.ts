import { readFileSync } from 'node:fs';

/** A process, told apart from a later one with the same number. */
export interface Owner {
  pid: number;
  /** In the kernel's clock ticks. */
  startedAt: string;
}

/** Undefined when there is no such process, or it has ended and nobody took notice yet. */
export function ownerOf(pid: number): Owner | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name stands in parentheses, and may have spaces and parentheses itself: field 3, the state, follows the last one.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const [state = '', startedAt = ''] = [fields[0], fields[19]];
  return 'ZX'.includes(state) ? undefined : { pid, startedAt };
}

export const lives = ({ pid, startedAt }: Owner): boolean => ownerOf(pid)?.startedAt === startedAt;
