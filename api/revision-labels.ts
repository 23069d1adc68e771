/** Labels of a ControllerRevision (OpenKruise's keys, `sidecarset.md` 0.5). */
export const revisionLabels = {
  set: 'kruise.io/sidecarset-name',
  hash: 'controller.kubernetes.io/hash',
  customVersion: 'apps.kruise.io/sidecarset-custom-version',
} as const;
