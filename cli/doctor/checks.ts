import type { Pod } from '../../api/kubernetes.ts';
import { secondController } from '../../controller/second-controller/evidence.ts';
import { complaintsAbout, type Bundle } from './certificates.ts';
import type { ClientConfig, Facts, Read, WebhookConfiguration } from './facts.ts';

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

const REINSTALL = 'install Baton again, as it was: kubectl apply -k deploy, or helm upgrade';
const UNTOLD =
  'the controller writes it, or cert-manager where that makes certificates: see that it runs, and look at its log';
const VERSIONS = ['v1beta1', 'v1alpha1'];
const WEBHOOKS = {
  Mutating: ['pods.baton.dev', 'defaults.sidecarsets.baton.dev'],
  Validating: ['validation.sidecarsets.baton.dev'],
};

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
  crd: ({ crd, namespace }) =>
    read(crd, (found) => {
      if (!found) return [error('there is no CustomResourceDefinition sidecarsets.apps.kruise.io', REINSTALL)];
      const served = found.spec.versions.filter((version) => version.served).map(({ name }) => name);
      const missing = VERSIONS.filter((name) => !served.includes(name));
      const client = found.spec.conversion?.webhook?.clientConfig;
      const converter = client
        ? askedWrongly('SidecarSets are converted by', client, namespace)
        : [error('SidecarSets are not converted from one version to the other', REINSTALL)];
      return [...missing.map((name) => error(`SidecarSets are not served as ${name}`, REINSTALL)), ...converter];
    }),

  'webhook-configurations': ({ mutating, validating, namespace }) => [
    ...webhooksIn('Mutating', mutating, namespace),
    ...webhooksIn('Validating', validating, namespace),
  ],

  'webhook-reachable': ({ trial, namespace }) =>
    read(trial, ({ status, message, isDefaulted }) => {
      if (status >= 500) {
        const remedy = `see that the controller's pods are ready, and that API servers reach Service baton-webhook in ${namespace}`;
        return [error(`a SidecarSet cannot be created: ${message}`, remedy)];
      }
      if (status === 401 || status === 403) return [unknown(message)];
      if (status === 404) return [unknown('there are no SidecarSets to try it with', 'see what is said of crd')];
      // Refused for what it says: then it was looked at.
      if (isDefaulted || status === 422) return [];
      return [error('a SidecarSet is created without the defaults that Baton’s webhook writes', REINSTALL)];
    }),

  certificates: ({ mutating, validating, crd, serving, now }) => {
    const bundles = [...bundlesOf('Mutating', mutating), ...bundlesOf('Validating', validating)];
    const conversion = 'value' in crd ? crd.value?.spec.conversion?.webhook?.clientConfig?.caBundle : undefined;
    if (conversion) bundles.push({ what: 'the CRD trusts', pem: fromBase64(conversion) });
    const served = 'value' in serving && serving.value ? { what: 'the webhooks serve', pem: serving.value } : undefined;
    const remedy = 'look at the log of the controller, or at cert-manager where that makes them';
    // One bundle is in many webhooks.
    const told = new Map(complaintsAbout(bundles, served, now).map((complaint) => [complaint.message, complaint]));
    return [...told.values()].map(({ message, isOver }) =>
      isOver ? error(message, remedy) : warning(message, remedy),
    );
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
        // Agents are for Linux: pods on Windows have no hot sidecars.
        const isOurs = ({ metadata, status }: (typeof all)[number]): boolean =>
          isTrue(status?.conditions, 'Ready') && (metadata?.labels?.['kubernetes.io/os'] ?? 'linux') === 'linux';
        const without = all.filter((node) => isOurs(node) && !served.has(node.metadata?.name));
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
const unknown = (message: string, remedy = 'ask somebody who may look at it'): Loose => ({
  level: 'unknown',
  message,
  remedy,
});

const read = <T>(from: Read<T>, judge: (value: T) => Loose[]): Loose[] =>
  'value' in from ? judge(from.value) : [unknown(from.problem)];

/** What is wrong with Baton's own configuration. */
function webhooksIn(kind: keyof typeof WEBHOOKS, all: Facts['mutating'], namespace: string): Loose[] {
  return read(all, (configurations) => {
    const own = configurations.find(({ metadata }) => metadata.name === 'baton');
    if (!own) return [error(`there is no ${kind}WebhookConfiguration baton`, REINSTALL)];
    const { webhooks = [] } = own;
    const missing = WEBHOOKS[kind].filter((name) => !webhooks.some((webhook) => webhook.name === name));
    return [
      ...missing.map((name) => error(`the ${kind}WebhookConfiguration baton has no webhook ${name}`, REINSTALL)),
      ...webhooks.flatMap(({ name, clientConfig }) =>
        askedWrongly(`the webhook ${name} asks`, clientConfig, namespace),
      ),
    ];
  });
}

/** Whether the API server is told to ask Baton's own Service, and whom to trust. */
function askedWrongly(what: string, { service, caBundle }: ClientConfig, namespace: string): Loose[] {
  const asked = service && `${service.namespace}/${service.name}`;
  if (asked !== undefined && asked !== `${namespace}/baton-webhook`) {
    const elsewhere = `give --namespace ${service?.namespace ?? ''} if Baton is installed there`;
    const isBatons = service?.name === 'baton-webhook';
    return [error(`${what} ${asked}`, isBatons ? `${elsewhere}; else ${REINSTALL}` : REINSTALL)];
  }
  return caBundle ? [] : [error(`${what} ${asked ?? 'Baton'} without a caBundle: no API server trusts it`, UNTOLD)];
}

function bundlesOf(kind: string, all: Facts['mutating']): Bundle[] {
  const own = 'value' in all ? all.value.find(({ metadata }) => metadata.name === 'baton') : undefined;
  return (own?.webhooks ?? []).flatMap(({ clientConfig: { caBundle } }) =>
    caBundle ? [{ what: `the ${kind}WebhookConfiguration trusts`, pem: fromBase64(caBundle) }] : [],
  );
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
