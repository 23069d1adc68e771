import { isObject, numberText, printSortedJsonLikeGo } from '../../api/json.ts';
import type { ControllerRevision, Volume } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { sidecarContainer } from '../../api/wire/container.ts';
import { volume } from '../../api/wire/volume.ts';
import { goForm, type Wire } from '../../api/wire/wire.ts';

/**
 * What a revision records of a set, byte for byte as OpenKruise writes it (`sidecarset.md` 4.9): five fields, unset ones as
 * `null`, keys sorted, `$patch: replace` so that restoring drops everything else. Fields that OpenKruise does not know are
 * recorded too: without them a restored sidecar would be another one.
 */
export function revisionData({ spec }: SidecarSet): string {
  return canonical({
    spec: {
      $patch: 'replace',
      containers: listOf(spec.containers, sidecarContainer),
      imagePullSecrets: listOf(spec.imagePullSecrets),
      initContainers: listOf(spec.initContainers, sidecarContainer),
      patchPodMetadata: listOf(spec.patchPodMetadata),
      volumes: volumesOf(spec),
    },
  });
}

/** A stored revision's data in the form of {@link revisionData}: equal texts are equal revisions. */
export const dataText = ({ data }: ControllerRevision): string => canonical(data);

const canonical = (value: unknown): string => printSortedJsonLikeGo(asFloats(value));

/**
 * Go leaves an empty list out, and reads what is left out as nil. Mistakes are not reported here: a stored set was validated,
 * and its revision must not fail.
 */
const listOf = (list: readonly unknown[] | null | undefined, wire: Wire = 'any'): unknown =>
  list?.length ? list.map((item) => goForm(wire, item, { report: () => undefined })) : null;

/** Go also writes the unset time in the metadata of a claim's template, as `null`. */
function volumesOf({ volumes }: SidecarSet['spec']): unknown {
  const forms = listOf(volumes, volume) as Volume[] | null;
  if (!forms) return null;
  return forms.map((form) => {
    const template = form.ephemeral?.volumeClaimTemplate;
    if (!template) return form;
    const metadata = { creationTimestamp: null, ...template.metadata };
    return { ...form, ephemeral: { ...form.ephemeral, volumeClaimTemplate: { ...template, metadata } } };
  });
}

/** OpenKruise reads its own JSON into float64 before it prints it: integers above 2^53 lose digits (surprise 17). */
function asFloats(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asFloats);
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, asFloats(field)]));
  const digits = numberText(value);
  return digits === undefined ? value : Number(digits);
}
