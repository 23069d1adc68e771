// Runs a pod until it is killed; prints its process and its directory. For guardian.test.ts.
import { writeSync } from 'node:fs';
import { startPod } from '../../local/pod.ts';
import { makeWorkspace } from '../../local/workspace.ts';

const workspace = makeWorkspace();
const image = { name: 'i', command: ['sleep', '100'] };
const pod = startPod({
  annotations: {},
  containers: [
    { name: 'a', image, grace: 1_000 },
    { name: 'b', image: { ...image, postStart: ['sleep', '100'] }, grace: 1_000 },
  ],
  workspace,
  logs: workspace.directory('logs'),
  cwd: '/',
  baseEnv: { PATH: process.env['PATH'] ?? '' },
});
const pids = ['a', 'b'].map((name) => {
  const { state } = pod.status(name);
  return state.type === 'running' ? state.pid : 0;
});
writeSync(1, `${JSON.stringify({ pids, root: workspace.root })}\n`);
if (process.argv[2] === 'throw') throw new Error('thrown on purpose');
if (process.argv[2] === 'exit') process.exit(0);
setInterval(() => undefined, 1_000);
