import { execFile } from 'node:child_process';

/**
 * Runs a program to its end: what it printed.
 *
 * @throws Error with what it said, when it exits with another status than 0
 */
export function run(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(' ')}: ${stderr || stdout || error.message}`));
      else resolve(stdout);
    });
  });
}
