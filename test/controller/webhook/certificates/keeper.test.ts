import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import test from 'ava';
import { createMemoryCluster } from '../../../../cluster/memory/cluster.ts';
import type { Cluster, KubernetesObject } from '../../../../cluster/cluster.ts';
import {
  customResourceDefinitions,
  mutatingWebhookConfigurations,
  namespaces,
  secrets,
  validatingWebhookConfigurations,
} from '../../../../cluster/resource.ts';
import { AUTHORITY_LIFE } from '../../../../controller/webhook/certificates/issue.ts';
import { createCertificateKeeper, type Kept } from '../../../../controller/webhook/certificates/keeper.ts';
import { certificatesIn } from '../../../../controller/webhook/certificates/key-pair.ts';
import { installedClients } from '../../../../controller/webhook/certificates/publish.ts';
import { pod, podReview, serve } from '../helpers.ts';

const DAY = 86_400_000;
const secret = { namespace: 'baton-system', name: 'baton-webhook' };

interface World {
  cluster: Cluster;
  clock: { now: number };
  errors: unknown[];
  keeper: (names?: string[], cluster?: Cluster) => () => Promise<Kept>;
  /** The bundles that API servers have. */
  bundles: () => Promise<Set<string>>;
}

async function world({ installed = true } = {}): Promise<World> {
  const cluster = createMemoryCluster();
  const clock = { now: Date.now() };
  const errors: unknown[] = [];
  await cluster.create(namespaces, { metadata: { name: 'baton-system' } });
  if (installed) await install(cluster);
  return {
    cluster,
    clock,
    errors,
    keeper: (names = ['127.0.0.1'], its = cluster) =>
      createCertificateKeeper({
        cluster: its,
        secret,
        clients: installedClients,
        names,
        now: () => clock.now,
        monotonic: () => clock.now,
        onError: (error) => errors.push(error),
      }),
    bundles: async () => {
      const texts: (string | undefined)[] = [];
      for (const resource of [mutatingWebhookConfigurations, validatingWebhookConfigurations]) {
        const { webhooks } = await cluster.get<Configuration>(resource, { name: 'baton' });
        texts.push(...webhooks.map(({ clientConfig }) => clientConfig.caBundle));
      }
      const definition = await cluster.get<Definition>(customResourceDefinitions, {
        name: 'sidecarsets.apps.kruise.io',
      });
      texts.push(definition.spec.conversion.webhook.clientConfig.caBundle);
      return new Set(texts.map((text) => Buffer.from(text ?? '', 'base64').toString()));
    },
  };
}

interface Config {
  clientConfig: { caBundle?: string };
}
type Configuration = KubernetesObject & { webhooks: Config[] };
type Definition = KubernetesObject & { spec: { conversion: { strategy: string; webhook: Config } } };

async function install(cluster: Cluster): Promise<void> {
  const webhooks = (count: number): Config[] => Array.from({ length: count }, () => ({ clientConfig: {} }));
  await cluster.create<Configuration>(mutatingWebhookConfigurations, {
    metadata: { name: 'baton' },
    webhooks: webhooks(2),
  });
  await cluster.create<Configuration>(validatingWebhookConfigurations, {
    metadata: { name: 'baton' },
    webhooks: webhooks(1),
  });
  await cluster.create<Definition>(customResourceDefinitions, {
    metadata: { name: 'sidecarsets.apps.kruise.io' },
    spec: { conversion: { strategy: 'Webhook', webhook: { clientConfig: {} } } },
  });
}

test('several replicas that start at once serve the same, and API servers trust it', async (t) => {
  const { keeper, bundles, errors } = await world();
  const kept = await Promise.all([keeper()(), keeper()(), keeper()()]);
  t.is(new Set(kept.map(({ keyPair }) => keyPair.certificate)).size, 1);
  const [bundle = ''] = await bundles();
  t.is((await bundles()).size, 1);
  const served = new X509Certificate(kept[0].keyPair.certificate);
  t.true(served.verify(new X509Certificate(bundle).publicKey));
  t.deepEqual(errors, []);
});

test('certificates are served before the configurations are there, and published when they are', async (t) => {
  const { keeper, cluster, errors, bundles } = await world({ installed: false });
  const keep = keeper();
  const { keyPair, isPublished } = await keep();
  t.false(isPublished);
  t.regex(String(errors), /not found/);
  await install(cluster);
  t.deepEqual(await keep(), { keyPair, isPublished: true });
  t.is((await bundles()).size, 1);
});

test('looking again writes nothing', async (t) => {
  const { keeper, cluster } = await world();
  const keep = keeper();
  await keep();
  const before = await cluster.get(secrets, secret);
  await keep();
  t.deepEqual(await cluster.get(secrets, secret), before);
});

test('a definition that converts without a webhook, and one that is not whole, are left alone', async (t) => {
  const { keeper, cluster } = await world();
  const definition = { name: installedClients.definition };
  await cluster.patch(customResourceDefinitions, definition, {
    spec: { conversion: { strategy: 'None', webhook: null } },
  });
  t.true((await keeper()()).isPublished);
});

test('a Secret that somebody spoiled is begun anew, and what was trusted stays trusted', async (t) => {
  const { keeper, cluster, bundles } = await world();
  const keep = keeper();
  const { keyPair } = await keep();
  await cluster.patch(secrets, secret, { data: { 'tls.key': 'eA==', 'ca.key': null } });
  const next = await keep();
  t.not(next.keyPair.certificate, keyPair.certificate);
  const [bundle = ''] = await bundles();
  t.is(certificatesIn(bundle).length, 2);
  t.true(
    certificatesIn(bundle).some((pem) =>
      new X509Certificate(keyPair.certificate).verify(new X509Certificate(pem).publicKey),
    ),
  );
});

test('an error of the cluster is the caller’s, and the next call goes on', async (t) => {
  const { keeper, cluster } = await world();
  let isDown = true;
  const broken: Cluster = {
    ...cluster,
    get: (...request) => (isDown ? Promise.reject(new Error('down')) : cluster.get(...request)),
  };
  const keep = keeper(undefined, broken);
  await t.throwsAsync(keep(), { message: 'down' });
  isDown = false;
  t.true((await keep()).isPublished);
});

/**
 * Years pass in steps. API servers trust what was published a step ago, which is when a client last looked: every request
 * of such a client must succeed, whatever the replica that it meets serves.
 */
test.serial(
  'through years of rotations by two replicas no client meets a certificate that it does not trust',
  async (t) => {
    const { keeper, bundles, clock, errors } = await world();
    const replicas = [keeper(['127.0.0.1', 'localhost']), keeper(['127.0.0.1', 'localhost'])];
    const first = await Promise.all(replicas.map((keep) => keep()));
    const end = clock.now + AUTHORITY_LIFE * 1.5;
    const served = first.map(({ keyPair }) => keyPair);
    let trusted = await bundles();
    const seen = { certificates: new Set<string>(), authorities: new Set<string>() };
    for (let turn = 0; clock.now < end; turn++) {
      // Mostly days; around each change also minutes, as replicas really look.
      clock.now += turn % 7 === 0 ? DAY * 5 : 60_000;
      const mine = turn % 2;
      const { keyPair } = await (replicas[mine] ?? t.fail)();
      served[mine] = keyPair;
      for (const each of served) {
        const certificate = new X509Certificate(each.certificate);
        for (const bundle of trusted) {
          t.true(
            certificatesIn(bundle).some((pem) => certificate.verify(new X509Certificate(pem).publicKey)),
            `turn ${turn}`,
          );
        }
        t.true(Date.parse(certificate.validTo) > clock.now, 'never expired');
        seen.certificates.add(certificate.serialNumber);
      }
      trusted = await bundles();
      for (const bundle of trusted) for (const pem of certificatesIn(bundle)) seen.authorities.add(pem);
    }
    t.true(seen.authorities.size >= 2, 'authorities rotated');
    t.true(seen.certificates.size > 10, 'certificates rotated');
    t.deepEqual(errors, []);
  },
);

test('a server of a kept certificate is trusted with the published bundle', async (t) => {
  const { keeper, bundles } = await world();
  const { keyPair } = await keeper()();
  const server = await serve(t, { keyPair });
  const agent = new Agent({ ca: [...(await bundles())] });
  t.teardown(() => agent.destroy());
  t.is((await server.post('/mutate-pods', podReview(pod), { agent })).status, 200);
});

test('a definition that another controller converts keeps that one’s bundle, until it is Baton’s again', async (t) => {
  const { cluster, keeper } = await world();
  const services = { own: { namespace: 'baton-system', name: 'baton-webhook' }, other: { namespace: 'k', name: 'w' } };
  await cluster.patch(mutatingWebhookConfigurations, { name: 'baton' }, [
    { op: 'add', path: '/webhooks/0/clientConfig/service', value: services.own },
  ]);
  const definition = { name: 'sidecarsets.apps.kruise.io' };
  const convertBy = (service: object): Promise<unknown> =>
    cluster.patch(customResourceDefinitions, definition, {
      spec: { conversion: { webhook: { clientConfig: { service, caBundle: 'theirs' } } } },
    });
  const bundle = async (): Promise<string | undefined> =>
    (await cluster.get<Definition>(customResourceDefinitions, definition)).spec.conversion.webhook.clientConfig
      .caBundle;
  const keep = keeper();
  await convertBy(services.other);
  await keep();
  await keep();
  t.is(await bundle(), 'theirs');
  await convertBy(services.own);
  await keep();
  t.not(await bundle(), 'theirs');
});
