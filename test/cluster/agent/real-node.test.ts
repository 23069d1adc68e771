// `baton agent` itself on a real node, with a sidecar that does not use the SDK: from the grant to Done.
import { copies, grantKey, injectedLabel, versionAltKey, versionKey, workingKey } from '../../../api/pod-contract.ts';
import { printGrants } from '../../../api/grant.ts';
import { pods } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { addImage, busyboxLayer } from '../node/image.ts';
import { cluster, serialNodeTest } from '../node/node-test.ts';
import { isReady, nodeScene, type NodeScene } from '../node/scene.ts';
import { BATON, startService, untilReady } from '../service.ts';
import { metricOf, recordOf } from './system.ts';

const [first, second] = copies('side');

/** One after the other: each agent takes every pod of the node for its own. */
const ways = {
  'with all that it may see of its node': ({ node }: NodeScene) => [
    `--kubelet-root=${node.kubeletFolder}`,
    `--cri-socket=unix://${node.socket}`,
  ],
  'with nothing but the pod’s status': () => ['--kubelet-root=', '--cri-socket='],
};

for (const [way, argsFor] of Object.entries(ways)) {
  serialNodeTest(`a granted pod of a real node is upgraded, and stays ready: ${way}`, async (t) => {
    const facts = await cluster(t);
    const scene = await nodeScene(t, facts);
    const script = "trap 'exit 0' TERM; while true; do sleep 1 & wait $!; done";
    const make = (mark: string): Promise<string> =>
      addImage(t, scene.node, {
        layers: [busyboxLayer],
        entrypoint: ['/bin/busybox', 'sh', '-c', script],
        env: { MARK: mark },
        user: '65532:65532',
      });
    const [v1, v2, empty] = [await make('1'), await make('2'), await make('empty')];
    await scene.createPod(
      'pod',
      {
        containers: [
          { name: first, image: v1 },
          { name: second, image: empty },
        ],
      },
      { [injectedLabel]: 'true' },
    );
    await scene.untilPod('Ready', 'pod', isReady);
    const agent = await startService(t, BATON, [
      'agent',
      `--kubeconfig=${facts.kubeconfigs['admin'] ?? ''}`,
      `--node-name=${scene.node.name}`,
      ...argsFor(scene),
    ]);
    await untilReady(agent);
    const { resourceVersion } = await scene.cluster.list(pods, { namespace: scene.namespace });
    const over = new AbortController();
    let wasUnready = false;
    const watching = (async () => {
      const query = { namespace: scene.namespace, resourceVersion, signal: over.signal };
      for await (const event of scene.cluster.watch<Parameters<typeof recordOf>[0]>(pods, query)) {
        if (event.type === 'MODIFIED' && !isReady(event.object)) wasUnready = true;
      }
    })();
    const grant = {
      v: 1,
      revision: 'r2',
      hash: 'h2',
      version: '50',
      sidecarList: ['side'],
      sidecars: { side: { image: v2, emptyImage: empty } },
      grantedAt: new Date().toISOString(),
    };
    const annotations = {
      [workingKey]: JSON.stringify({ side: first }),
      [versionKey(first)]: '1',
      [versionAltKey(first)]: '0',
      [versionKey(second)]: '0',
      [versionAltKey(second)]: '1',
      [grantKey]: printGrants(new Map([['set', grant]])),
    };
    const began = performance.now();
    await scene.cluster.patch(pods, { namespace: scene.namespace, name: 'pod' }, { metadata: { annotations } });
    await until(
      'Done',
      async () => (await metricOf(agent, 'baton_upgrades_total{result="done",reason=""}')) === 1,
      60_000,
    ).catch((error: unknown) => {
      throw new Error(agent.output(), { cause: error });
    });
    t.log(`from the grant to Done in ${Math.round(performance.now() - began)} ms`);
    over.abort();
    await watching;
    t.false(wasUnready);
    const pod = await scene.untilPod('it is over', 'pod', isReady);
    t.deepEqual(
      pod.spec?.containers.map(({ image }) => image),
      [empty, v2],
    );
    t.is(await agent.kill('SIGTERM'), 0);
    t.deepEqual(agent.logged(40), []);
  });
}
