import { isDeepStrictEqual } from 'node:util';
import { withDefaults } from '../../api/defaults.ts';
import { ApiError } from '../../api/error.ts';
import { errorText } from '../../api/validation/field-error.ts';
import { answer } from '../../api/validation/validate.ts';
import { problemsOfSet } from '../../api/wire/sidecar-set.ts';
import { findingsOf, type AdmissionSources } from '../admission.ts';
import { jsonPatch } from '../inject/json-patch.ts';
import { allowed, denied, type AdmissionRequest, type AdmissionResponse } from './admission-review.ts';

/** Sets the defaults and hashes of a SidecarSet, of either version, that is created or updated. */
export function defaultSidecarSet(request: AdmissionRequest): AdmissionResponse {
  const { object } = request;
  if (!object || !isAboutSet(request)) return allowed(request);
  try {
    return allowed(request, { patch: jsonPatch(object, withDefaults(object)) });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const mistyped = problemsOfSet(object).filter(({ kind }) => kind === 'type');
    // What is missing altogether is no mistake of a type: then the error itself says where.
    const { path = '' } = error.facts as { path?: string };
    const problems = mistyped.length > 0 ? mistyped : [{ path, message: error.message.replace(`${path}: `, '') }];
    return denied(request, 422, problems.map((problem) => `${problem.path}: ${problem.message}`).join(', '), {
      causes: problems.map((problem) => ({
        reason: 'FieldValueTypeInvalid',
        field: problem.path,
        message: problem.message,
      })),
    });
  }
}

/** Says whether a SidecarSet, of either version, may be stored; if not, 422 with every field that is wrong. */
export function validateSidecarSet(
  request: AdmissionRequest,
  sources: Omit<AdmissionSources, 'now' | 'draw'>,
): AdmissionResponse {
  const { object, oldObject } = request;
  if (!object || !isAboutSet(request) || isLeaving(request)) return allowed(request);
  const findings = findingsOf(object, oldObject, sources);
  const { message, warnings } = answer(findings);
  if (findings.errors.length === 0) return allowed(request, { warnings });
  const causes = findings.errors.map((error) => ({
    reason: error.type,
    field: error.field,
    message: errorText(error).slice(`${error.field === '' ? 'SidecarSet' : error.field}: `.length),
  }));
  return denied(request, 422, message, { causes, warnings });
}

const isAboutSet = ({ operation, resource, subResource }: AdmissionRequest): boolean =>
  resource.group === 'apps.kruise.io' &&
  resource.resource === 'sidecarsets' &&
  subResource === '' &&
  (operation === 'CREATE' || operation === 'UPDATE');

/** A set that is being deleted only loses its finalizers: rules that came later must not keep it. */
function isLeaving({ object, oldObject }: AdmissionRequest): boolean {
  const { metadata, spec } = (oldObject ?? {}) as { metadata?: { deletionTimestamp?: unknown }; spec?: unknown };
  return metadata?.deletionTimestamp !== undefined && isDeepStrictEqual(object?.['spec'], spec);
}
