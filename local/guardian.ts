import { spawn } from 'node:child_process';

/** Ends process groups and removes a directory when this process is gone, however it went. */
export interface Guardian {
  add(group: number): void;
  remove(group: number): void;
  /** The orderly end: nothing is left to guard. The directory stays, unless groups are still registered. */
  dismiss(): Promise<void>;
}

// Its input is a pipe that only the runner holds: even after `kill -9` the kernel closes it, and the loop ends.
const script = `
groups=' '
while read -r word group; do
  case $word in
    add) groups="$groups$group " ;;
    remove) groups="\${groups%% $group *} \${groups#* $group }" ;;
    dismiss) exit 0 ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
rm -rf -- "$1"
`;

/**
 * Starts the guardian: a small shell in its own session, so that no terminal signal reaches it. It kills (SIGKILL) the
 * registered groups and removes `directory` when this process ends without {@link Guardian.dismiss}.
 */
export function startGuardian(directory: string): Guardian {
  const child = spawn('/bin/sh', ['-c', script, 'baton-guardian', directory], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  // Without the guardian the rehearsal still works; only the protection against kill -9 is lost.
  child.stdin.on('error', () => undefined);
  child.unref();
  const tell = (line: string) => {
    if (child.stdin.writable) child.stdin.write(`${line}\n`);
  };
  return {
    add: (group) => tell(`add ${group}`),
    remove: (group) => tell(`remove ${group}`),
    async dismiss() {
      // Else Node would end in the middle of this wait when nothing else keeps it running.
      child.ref();
      tell('dismiss');
      child.stdin.end();
      await gone;
    },
  };
}
