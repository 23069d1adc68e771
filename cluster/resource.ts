/** One kind of object that Baton reads or writes, as the API server knows it. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Its `status` is written apart from the rest. */
  readonly status: boolean;
}

const resource = (
  apiVersion: string,
  plural: string,
  kind: string,
  { namespaced = true, status = false }: { namespaced?: boolean; status?: boolean } = {},
): Resource => {
  const [version, group = ''] = apiVersion.split('/').reverse();
  return Object.freeze({ group, version: version ?? '', plural, kind, namespaced, status });
};

export const pods = resource('v1', 'pods', 'Pod', { status: true });
export const namespaces = resource('v1', 'namespaces', 'Namespace', { namespaced: false, status: true });
export const nodes = resource('v1', 'nodes', 'Node', { namespaced: false, status: true });
export const configMaps = resource('v1', 'configmaps', 'ConfigMap');
export const secrets = resource('v1', 'secrets', 'Secret');
export const events = resource('v1', 'events', 'Event');
export const leases = resource('coordination.k8s.io/v1', 'leases', 'Lease');
export const controllerRevisions = resource('apps/v1', 'controllerrevisions', 'ControllerRevision');
export const mutatingWebhookConfigurations = resource(
  'admissionregistration.k8s.io/v1',
  'mutatingwebhookconfigurations',
  'MutatingWebhookConfiguration',
  { namespaced: false },
);
export const validatingWebhookConfigurations = resource(
  'admissionregistration.k8s.io/v1',
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
  { namespaced: false },
);
export const validatingAdmissionPolicies = resource(
  'admissionregistration.k8s.io/v1',
  'validatingadmissionpolicies',
  'ValidatingAdmissionPolicy',
  { namespaced: false, status: true },
);
export const validatingAdmissionPolicyBindings = resource(
  'admissionregistration.k8s.io/v1',
  'validatingadmissionpolicybindings',
  'ValidatingAdmissionPolicyBinding',
  { namespaced: false },
);
export const customResourceDefinitions = resource(
  'apiextensions.k8s.io/v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  { namespaced: false, status: true },
);
export const sidecarSets = resource('apps.kruise.io/v1beta1', 'sidecarsets', 'SidecarSet', {
  namespaced: false,
  status: true,
});

/** `apiVersion` as objects of this resource carry it. */
export const apiVersionOf = ({ group, version }: Resource): string => (group ? `${group}/${version}` : version);
