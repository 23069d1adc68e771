import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeTest } from '../node/node-test.ts';
import { ownSystem } from './own-system.ts';
import { addImages } from '../node/image.ts';
import { echoImage } from './images.ts';

const system = ownSystem();
nodeTest('play', async (t) => {
  const cluster = await system(t);
  t.timeout(3_000_000);
  const [node] = cluster.nodes;
  const bb = Object.fromEntries(['busybox', 'sh', 'wget', 'date', 'sleep'].map((n) => [`/bin/${n}`, '/bin/busybox']));
  await addImages(t, node!, {
    a: { name: 'registry.example/echo:1', ...echoImage('hello') },
    b: { name: 'registry.example/echo:2', ...echoImage('hi') },
    c: { name: 'registry.example/echo:empty', ...echoImage('hello') },
    x: { name: 'registry.example/echo:3', ...echoImage('bad', { '/app/sidecar.js': { content: 'setTimeout(() => process.exit(7), 500)' } }) },
    d: { name: 'docker.io/library/busybox:1.36', layers: [bb], entrypoint: ['sh'] },
    e: { name: 'docker.io/library/busybox:1.37', layers: [bb], entrypoint: ['sh'], env: { A: 'b' } },
  });
  writeFileSync('/tmp/docs-play', `export KUBECONFIG=${cluster.kubeconfigs['admin']}\n`);
  while (!existsSync('/tmp/docs-stop')) await delay(1000);
});
