import type { SidecarContainer, SidecarSet, SidecarSetSpec } from '../../api/sidecar-set.ts';
import { validate, type Admission, type Findings } from '../../api/validation/validate.ts';

/** A container with the defaults that validation asks for. */
export const container = (fields: Partial<SidecarContainer> & Record<string, unknown> = {}): SidecarContainer => ({
  name: 'side',
  image: 'side:1',
  imagePullPolicy: 'IfNotPresent',
  terminationMessagePolicy: 'File',
  podInjectPolicy: 'BeforeAppContainer',
  shareVolumePolicy: { type: 'disabled' },
  upgradeStrategy: { upgradeType: 'ColdUpgrade' },
  ...fields,
});

/** A hot container that is sound. */
export const hot = (fields: Record<string, unknown> = {}): SidecarContainer =>
  container({ upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'empty:1' }, ...fields });

/** A set in which nothing is wrong, with some fields of its spec replaced. */
export const set = (spec: Partial<SidecarSetSpec> & Record<string, unknown> = {}, name = 'set'): SidecarSet => ({
  apiVersion: 'apps.kruise.io/v1beta1',
  kind: 'SidecarSet',
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    containers: [container()],
    updateStrategy: { type: 'RollingUpdate', partition: 0, maxUnavailable: 1 },
    ...spec,
  },
});

/** Validates a set that is created, or updated if `old` is given. */
export const findings = (object: unknown, more: Partial<Admission> = {}): Findings =>
  validate({
    operation: more.old === undefined ? 'CREATE' : 'UPDATE',
    object,
    others: [],
    revisions: [],
    ...more,
  });

/** The errors of a set, each as `field: detail`. */
export const errorsOf = (object: unknown, more: Partial<Admission> = {}): string[] =>
  findings(object, more).errors.map(({ field, detail }) => (detail === '' ? field : `${field}: ${detail}`));
