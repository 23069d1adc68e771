import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(root, '.github/workflows');

interface Workflow {
  permissions: object;
  jobs: Record<
    string,
    {
      needs?: string;
      permissions: Record<string, string>;
      'timeout-minutes': number;
      strategy?: { matrix: Record<string, string[]> };
      steps: { uses?: string; run?: string; env?: Record<string, string> }[];
    }
  >;
}

const workflowOf = (file: string): Workflow => parse(readFileSync(join(folder, file), 'utf8')) as Workflow;

for (const file of readdirSync(folder)) {
  test(`${file}: its scripts exist, its jobs may do only what they say, and end`, (t) => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const { permissions, jobs } = workflowOf(file);
    t.deepEqual(permissions, {});
    for (const [name, job] of Object.entries(jobs)) {
      t.is(job.permissions['contents'], 'read', name);
      t.true(job['timeout-minutes'] > 0, name);
      if (job.needs !== undefined) t.true(job.needs in jobs, name);
      for (const { uses, run } of job.steps) {
        if (uses !== undefined) t.regex(uses, /^[\w-]+\/[\w-]+@(v\d+|[0-9a-f]{40})$/);
        for (const [, script = ''] of (run ?? '').matchAll(/npm run ([\w:-]+)/g)) t.true(script in scripts, script);
      }
    }
  });
}

test('a release publishes what was tested, all addons, and the images that there are', (t) => {
  const { jobs } = workflowOf('release.yml');
  t.like(jobs, { package: { needs: 'test' }, image: { needs: 'test' }, chart: { needs: 'image' } });
  const publish = jobs['package']?.steps.find(({ run }) => run?.startsWith('npm publish'));
  t.is(publish?.env?.['BATON_PREBUILDS'], 'required');
  const dockerfile = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');
  const targets = [...dockerfile.matchAll(/^FROM service AS (\w+)$/gm)].map(([, name]) => name);
  t.deepEqual(jobs['image']?.strategy?.matrix['component']?.toSorted(), targets.toSorted());
});
