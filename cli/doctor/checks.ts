import { X509Certificate } from 'node:crypto';
import type { Pod } from '../../api/kubernetes.ts';
import { secondController } from '../../controller/second-controller/evidence.ts';
import type { Facts, Read, WebhookConfiguration } from './facts.ts';

/** What one check found. */
export interface Finding {
  /** Stable, for programs. */
  check: string;
  /** `error`: something does not work; `warning`: it will not for long, or less safely; `unknown`: it cannot be looked at. */
  level: 'ok' | 'warning' | 'error' | 'unknown';
  message: string;
  /** What to do, where it is not ok. */
  remedy?: string;
}

type Check = (facts: Facts) => Omit<Finding, 'check'>[];

const REINSTALL = 'install Baton again with kubectl apply -k deploy';
const VERSIONS = ['v1beta1', 'v1alpha1'];
/** A certificate is renewed long before: one that ends so soon is not looked after. In milliseconds. */
const SOON = 7 * 86_400_000;

/** All findings, check by check; at least one of each. */
export function checkAll(facts: Facts): Finding[] {
  return Object.entries(checks).flatMap(([check, run]) => {
    const found = run(facts);
    const all = found.length > 0 ? found : [{ level: 'ok' as const, message: sound[check] ?? '' }];
    return all.map((finding) => ({ check, ...finding }));
  });
}

const sound: Record<string, string> = {
  crd: 'SidecarSets are served in both versions',
  'webhook-configurations': 'the API server is told to ask Baton about pods and SidecarSets',
  'webhook-reachable': 'the API server reaches the webhooks and trusts them',
  certificates: 'no certificate ends within 7 days',
  controller: 'the controller is ready',
  agents: 'each node has an agent that is ready',
  policy: 'agents are confined to the pods of their own node',
  'second-controller': 'nobody else acts on SidecarSets',
  versions: 'controller and agents are of one version',
};

const checks: Record<string, Check> = {
  crd: ({ crd }) =>
    read(crd, (found) => {
      if (!found) return [error('there is no CustomResourceDefinition sidecarsets.apps.kruise.io', REINSTALL)];
      const served = found.spec.versions.filter((version) => version.served).map(({ name }) => name);
      const missing = VERSIONS.filter((name) => !served.includes(name));
      const { service } = found.spec.conversion?.webhook?.clientConfig ?? {};
      const isAnothers = service !== undefined && service.name !== 'baton-webhook';
      return [
        ...missing.map((name) => error(`SidecarSets are not served as ${name}`, REINSTALL)),
        ...(isAnothers ? [error(`SidecarSets are converted by ${service.namespace}/${service.name}`, REINSTALL)] : []),
      ];
    }),

  'webhook-configurations': ({ mutating, validating }) =>
    [...named('Mutating', mutating), ...named('Validating', validating)].map((message) => error(message, REINSTALL)),

  'webhook-reachable': ({ trial, namespace }) =>
    read(trial, ({ status, message, isDefaulted }) => {
      if (status >= 500) {
        const remedy = `see that the controller's pods are ready, and that API servers reach Service baton-webhook in ${namespace}`;
        return [error(`a SidecarSet cannot be created: ${message}`, remedy)];
      }
      if (status === 401 || status === 403) return [unknown(message)];
      // Refused for what it says: then it was looked at. Not found: the check of the CRD tells.
      if (isDefaulted || status === 422 || status === 404) return [];
      return [error('a SidecarSet is created without the defaults that Baton’s webhook writes', REINSTALL)];
    }),

  certificates: ({ mutating, validating, crd, serving, now }) => {
    const bundles = [...bundlesOf('Mutating', mutating), ...bundlesOf('Validating', validating)];
    const conversion = 'value' in crd ? crd.value?.spec.conversion?.webhook?.clientConfig?.caBundle : undefined;
    if (conversion !== undefined) bundles.push(['the CRD trusts', fromBase64(conversion)]);
    const remedy = 'look at the log of the controller, or at cert-manager where that makes them';
    const trusted = bundles.flatMap(([what, bundle]) => ages(what, bundle, now, 'any'));
    const served = 'value' in serving && serving.value ? ages('the webhooks serve', serving.value, now, 'first') : [];
    // One bundle is in many webhooks.
    const told = new Map([...trusted, ...served].map((age) => [`${age.what} ${age.until}`, age]));
    return [...told.values()].map(({ what, until, isOver }) => {
      const message = `${what} a certificate that ${isOver ? 'ended' : 'ends'} at ${new Date(until).toISOString()}`;
      return { level: isOver ? ('error' as const) : ('warning' as const), message, remedy };
    });
  },

  controller: ({ controllers, namespace }) =>
    read(controllers, (pods) => {
      const ready = pods.filter(isReady).length;
      const remedy = `kubectl describe pods --namespace ${namespace} --selector app.kubernetes.io/component=controller`;
      if (ready === 0) return [error(`no pod of the controller is ready in ${namespace}`, remedy)];
      return ready === 1 ? [warning('only one pod of the controller is ready: nobody takes over from it', remedy)] : [];
    }),

  agents: ({ agents, nodes, namespace }) =>
    read(agents, (pods) =>
      read(nodes, (all) => {
        const served = new Set(pods.filter(isReady).map(({ spec }) => spec?.nodeName));
        const isUp = ({ status }: (typeof all)[number]): boolean => isTrue(status?.conditions, 'Ready');
        const without = all.filter((node) => isUp(node) && !served.has(node.metadata?.name));
        if (without.length === 0) return [];
        const names = without.map(({ metadata }) => metadata?.name ?? '');
        const shown =
          names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
        return [
          error(
            `no agent is ready on ${shown}: hot sidecars there are not upgraded`,
            `kubectl describe daemonset --namespace ${namespace} baton-agent; a taint needs a toleration there`,
          ),
        ];
      }),
    ),

  policy: ({ policy, binding }) => [
    ...read(policy, (found) =>
      found ? [] : [error('there is no ValidatingAdmissionPolicy baton-agent: agents may change any pod', REINSTALL)],
    ),
    ...read(binding, (found) => {
      const denies = found?.spec.policyName === 'baton-agent' && found.spec.validationActions?.includes('Deny');
      const missing = 'the policy is not in force: its binding baton-agent is missing or does not deny';
      return denies ? [] : [error(missing, REINSTALL)];
    }),
  ],

  'second-controller': ({ managers, lease, mutating, validating, now }) => {
    const configurations = [mutating, validating].flatMap((all) => ('value' in all ? all.value : []));
    const remedy =
      'two controllers undo each other’s work: switch the other’s SidecarSet controller and webhooks off, or remove it';
    const others = configurations.filter((one) => one.metadata.name !== 'baton' && concernsSets(one));
    return [
      ...others.map(({ metadata: { name = '' } }) =>
        error(`the webhooks of ${name} also decide about SidecarSets`, remedy),
      ),
      ...read(managers, (pods) =>
        read(lease, (held) => {
          // What the controller sees by itself; only how long nobody renewed must be taken from the Lease's own time here.
          const unchanged = Math.max(0, now - Date.parse(held?.spec?.renewTime ?? ''));
          const found = secondController({ pods, lease: held && { lease: held, unchanged }, now });
          return found ? [error(found.message, remedy)] : [];
        }),
      ),
    ];
  },

  versions: ({ controllers, agents }) =>
    read(controllers, (some) =>
      read(agents, (others) => {
        const tags = new Set([...some, ...others].flatMap((pod) => tagOf(pod) ?? []));
        const remedy = 'wait until a running update is over, or bring all to one version';
        return tags.size > 1 ? [warning(`there are several versions: ${[...tags].sort().join(', ')}`, remedy)] : [];
      }),
    ),
};

type Loose = Omit<Finding, 'check'>;

const error = (message: string, remedy: string): Loose => ({ level: 'error', message, remedy });
const warning = (message: string, remedy: string): Loose => ({ level: 'warning', message, remedy });
const unknown = (message: string): Loose => ({
  level: 'unknown',
  message,
  remedy: 'ask somebody who may look at it',
});

const read = <T>(from: Read<T>, judge: (value: T) => Loose[]): Loose[] =>
  'value' in from ? judge(from.value) : [unknown(from.problem)];

/** What is missing of Baton's own configuration. */
function named(kind: string, all: Facts['mutating']): string[] {
  if ('problem' in all) return [all.problem];
  const own = all.value.find(({ metadata }) => metadata.name === 'baton');
  if (!own?.webhooks?.length) return [`there is no ${kind}WebhookConfiguration baton`];
  return own.webhooks
    .filter(({ clientConfig }) => !clientConfig.caBundle)
    .map(({ name }) => `the webhook ${name} has no caBundle: no API server trusts it`);
}

function bundlesOf(kind: string, all: Facts['mutating']): [what: string, bundle: string][] {
  const own = 'value' in all ? all.value.find(({ metadata }) => metadata.name === 'baton') : undefined;
  return (own?.webhooks ?? []).flatMap(({ clientConfig: { caBundle } }): [string, string][] =>
    caBundle ? [[`the ${kind}WebhookConfiguration trusts`, fromBase64(caBundle)]] : [],
  );
}

interface Age {
  what: string;
  until: number;
  isOver: boolean;
}

/** When certificates end that end soon: of those that are trusted one must last, of those that are served the first one. */
function ages(what: string, pem: string, now: number, which: 'any' | 'first'): Age[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const ends = found.map((certificate) => Date.parse(new X509Certificate(certificate).validTo));
  const until = which === 'any' ? Math.max(...ends) : (ends[0] ?? Infinity);
  if (found.length === 0 || until - now > SOON) return [];
  return [{ what, until, isOver: until <= now }];
}

const fromBase64 = (text: string): string => Buffer.from(text, 'base64').toString();

const concernsSets = ({ webhooks = [] }: WebhookConfiguration): boolean =>
  webhooks.some(({ rules = [] }) =>
    rules.some(
      ({ apiGroups = [], resources = [] }) => apiGroups.includes('apps.kruise.io') && resources.includes('sidecarsets'),
    ),
  );

const isTrue = (conditions: readonly { type: string; status: string }[] = [], type: string): boolean =>
  conditions.some((condition) => condition.type === type && condition.status === 'True');

const isReady = ({ metadata, status }: Pod): boolean =>
  metadata?.deletionTimestamp === undefined && isTrue(status?.conditions, 'Ready');

/** The tag of Baton's own image; undefined where there is none, as of a digest. */
const tagOf = ({ spec }: Pod): string | undefined =>
  /:([\w.-]+)(?:@.*)?$/.exec(
    spec?.containers.find(({ name }) => name === 'controller' || name === 'agent')?.image ?? '',
  )?.[1];
