import test from 'ava';
import { toBeta } from '../../api/conversion.ts';
import type { ControllerRevision } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { errorText } from '../../api/validation/field-error.ts';
import { answer, validate } from '../../api/validation/validate.ts';
import { oracle } from './corpus.ts';
import { excuses, isConflict, type Finding, type Input } from './excuses/validation.ts';

interface Recorded {
  id: string;
  desc: string;
  operation: 'CREATE' | 'UPDATE';
  object: object;
  oldObject?: object;
  others?: SidecarSet[];
  whitelist?: string;
  revisions?: ControllerRevision[];
  featureGates?: Record<string, boolean>;
  unstable?: boolean;
  out: { ok: boolean; errors?: (Finding & { text: string })[]; message: string; panic?: string };
}

/** An error without what only Go prints: a dump is no value. */
const view = ({ type, field, detail, badValue }: Finding): Finding => ({
  type,
  field,
  detail,
  ...(badValue === undefined || (typeof badValue === 'string' && badValue.startsWith('&{')) ? {} : { badValue }),
});

/** Whether the text shows a Go dump of a struct. */
const showsDump = ({ text, detail }: { text: string; detail: string }): boolean =>
  /\w\{|\[\]\w|\(nil\)|map\[/.test(text.slice(0, text.length - detail.length));

for (const recorded of oracle<Recorded>('validation')) {
  test(`${recorded.id} ${recorded.desc}`, (t) => {
    const { operation, object, oldObject, others = [], whitelist, revisions = [], featureGates, out } = recorded;
    const found = validate({ operation, object, old: oldObject, others, whitelist, revisions, featureGates });
    const { errors = [] } = out;
    if (out.errors === undefined) {
      // OpenKruise panicked, which obliges to nothing, or could not read the set.
      if (out.panic === undefined) t.false(answer(found).allowed);
      else t.pass();
      return;
    }

    const input: Input = { object: toBeta(object), others, ...(whitelist === undefined ? {} : { whitelist }) };
    const applying = excuses.filter(({ applies }) => applies(input));
    const isExcused = (error: Finding): boolean => applying.some(({ of }) => of(error, input));
    const hidesConflicts = [...errors, ...found.errors].some((error) => !isConflict(error) && isExcused(error));
    const kept = (errors: readonly Finding[]): Finding[] => {
      const views = errors.filter((error) => !isExcused(error) && !(hidesConflicts && isConflict(error))).map(view);
      return recorded.unstable ? views.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))) : views;
    };
    t.deepEqual(kept(found.errors), kept(errors));

    if (applying.length > 0 || recorded.unstable) return;
    t.is(answer(found).allowed, out.ok);
    for (const [index, error] of errors.entries()) {
      const own = found.errors[index];
      if (own && !showsDump(error)) t.is(errorText(own), error.text);
    }
    if (!errors.some(showsDump)) t.is(answer(found).message, out.message);
  });
}
