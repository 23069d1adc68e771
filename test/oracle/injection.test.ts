import test from 'ava';
import jsonpatch from 'fast-json-patch';
import { ApiError } from '../../api/error.ts';
import { isObject, parseJson, printJson, printSortedJsonLikeGo } from '../../api/json.ts';
import type { ControllerRevision, Namespace, Pod } from '../../api/kubernetes.ts';
import { quantityOf, quantityText } from '../../api/quantity.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { jsonPatch } from '../../controller/inject/json-patch.ts';
import { inject, type Injected } from '../../controller/inject/inject.ts';
import { isForInjection } from '../../controller/inject/request.ts';
import { oracle, plain, type Case } from './corpus.ts';
import { excuseOf } from './excuses/injection.ts';
import { withoutBatonsAdditions } from './stripping.ts';

interface Recorded extends Case {
  sidecarSets: SidecarSet[] | null;
  revisions?: ControllerRevision[];
  namespaces?: Namespace[];
  operation: string;
  subResource?: string;
  pod: Pod;
  featureGates?: Record<string, boolean>;
  out: { pod?: Pod; changed?: boolean; error?: string; panic?: string };
  /** Where a draw decides. */
  alternatives?: { pod: Pod }[];
}

const now = Date.UTC(2026, 0, 2, 3, 4, 5);

function run(recorded: Recorded, drawn: number): Injected {
  const { operation, subResource = '', pod, sidecarSets, namespaces = [], revisions = [], featureGates } = recorded;
  if (!isForInjection({ operation, subResource })) return { pod, sidecarSets: [], warnings: [] };
  return inject({
    pod,
    sidecarSets: sidecarSets ?? [],
    namespaces,
    revisions,
    now,
    draw: () => drawn,
    sortContainersByName: featureGates?.['EnableSortSidecarContainerByName'] ?? false,
  });
}

/** A pod's text as both sides have it: without what Go's printing adds or spells in its own way. */
function comparable(pod: Pod | undefined): string {
  const text = printJson(pod).replaceAll('2026-01-02T03:04:05Z', '<now>');
  return printSortedJsonLikeGo(plain(likeGo(parseJson(text), '')));
}

/** Go leaves out empty lists and maps, and prints quantities in its spelling. */
function likeGo(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value.map((item) => likeGo(item, ''));
  if (!isObject(value)) return value;
  const amounts = key === 'limits' || key === 'requests';
  const fields = Object.entries(value).filter(([name, field]) => {
    const isMap = (name === 'labels' || name === 'annotations') && isObject(field);
    return !(Array.isArray(field) || isMap) || Object.keys(field).length > 0;
  });
  return Object.fromEntries(
    fields.map(([name, field]) => [name, amounts ? quantityText(quantityOf(field)) : likeGo(field, name)]),
  );
}

for (const recorded of oracle<Recorded>('injection')) {
  const { out, alternatives = [] } = recorded;
  const fails = out.error !== undefined || out.panic !== undefined;
  const excuse = fails ? excuseOf(recorded) : undefined;

  test(`${recorded.id} ${recorded.desc}`, (t) => {
    if (excuse !== undefined) {
      t.log(`excused: ${excuse}`);
      try {
        run(recorded, 0.5);
        t.pass();
      } catch (error) {
        // Of two failures only the first one is recorded.
        t.is((error as ApiError).code, 'ERR_BATON_RESOURCES');
      }
    } else if (fails) {
      const { message, code } = t.throws(() => run(recorded, 0.5), { instanceOf: ApiError });
      t.is(code, 'ERR_BATON_RESOURCES');
      t.true(message.includes(out.error ?? ''), message);
    } else {
      const expected = [out, ...alternatives].map(({ pod }) => comparable(pod));
      for (const drawn of alternatives.length > 0 ? [0, 0.49, 0.51, 0.99] : [0.5]) {
        const injected = run(recorded, drawn);
        const pod = comparable(withoutBatonsAdditions(injected.pod, recorded.pod));
        if (!expected.includes(pod)) t.deepEqual(JSON.parse(pod), JSON.parse(expected[0] ?? ''));
        const operations = jsonPatch(recorded.pod, injected.pod);
        t.is(out.changed, operations.length > 0);

        const patch = JSON.parse(printJson(operations)) as jsonpatch.Operation[];
        const patched = jsonpatch.applyPatch(JSON.parse(printJson(recorded.pod)), patch, true).newDocument as Pod;
        t.deepEqual(patched, JSON.parse(printJson(injected.pod)));

        const again = run({ ...recorded, pod: injected.pod }, 1 - drawn);
        t.deepEqual(jsonPatch(injected.pod, again.pod), [], 'asked again, nothing changes');
      }
    }
  });
}
