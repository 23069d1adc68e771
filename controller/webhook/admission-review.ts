import { isObject, printJson, type JsonObject } from '../../api/json.ts';
import type { KubernetesObject } from '../../cluster/cluster.ts';
import type { Operation } from '../inject/json-patch.ts';
import { requestError } from './error.ts';

/** What the API server asks before it stores an object (`admission.k8s.io/v1` AdmissionRequest), as far as Baton looks at it. */
export interface AdmissionRequest {
  uid: string;
  /** `CREATE`, `UPDATE`, `DELETE` or `CONNECT`. */
  operation: string;
  resource: { group: string; resource: string };
  subResource: string;
  namespace?: string;
  /** As it was sent; there is none when it is deleted. */
  object?: ReviewedObject;
  /** As it is stored; there is none when it is created. */
  oldObject?: ReviewedObject;
}

/** An object in a review: nothing but its being one and its having metadata is certain. */
export type ReviewedObject = JsonObject & KubernetesObject;

/** A mistake in an object: where, and what (`metav1.StatusCause`). */
export interface Cause {
  reason: string;
  field: string;
  message: string;
}

/** The answer to one request. */
export interface AdmissionResponse {
  uid: string;
  allowed: boolean;
  warnings?: string[];
  patchType?: 'JSONPatch';
  /** Operations, as JSON in base64. */
  patch?: string;
  status?: { code: number; reason: string; message: string; details?: { causes: Cause[] } };
}

const API_VERSION = 'admission.k8s.io/v1';

/**
 * Reads an AdmissionReview.
 *
 * @throws ApiError `ERR_BATON_REQUEST` (400) naming the field that is not what it must be
 */
export function readAdmissionReview(review: unknown): AdmissionRequest {
  if (!isObject(review)) throw malformed('', 'must be an object');
  if (review['apiVersion'] !== API_VERSION) throw malformed('apiVersion', `must be ${API_VERSION}`);
  if (review['kind'] !== 'AdmissionReview') throw malformed('kind', 'must be AdmissionReview');
  const { request } = review;
  if (!isObject(request)) throw malformed('request', 'must be an object');
  const { uid, operation, resource, subResource, namespace, object, oldObject } = request;
  if (typeof uid !== 'string' || uid === '') throw malformed('request.uid', 'must be a text that is not empty');
  if (typeof operation !== 'string') throw malformed('request.operation', 'must be a text');
  if (!isObject(resource)) throw malformed('request.resource', 'must be an object');
  return {
    uid,
    operation,
    resource: { group: textOf(resource['group']), resource: textOf(resource['resource']) },
    subResource: textOf(subResource),
    ...(typeof namespace === 'string' && namespace !== '' && { namespace }),
    ...optionalObject('object', object),
    ...optionalObject('oldObject', oldObject),
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function optionalObject<K extends string>(name: K, value: unknown): { [_ in K]?: ReviewedObject } {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw malformed(`request.${name}`, 'must be an object');
  const { metadata } = value;
  if (!isObject(metadata)) throw malformed(`request.${name}.metadata`, 'must be an object');
  return { [name]: value } as { [_ in K]?: ReviewedObject };
}

const malformed = (field: string, problem: string): Error =>
  requestError(400, `AdmissionReview${field === '' ? '' : `: ${field}`}: ${problem}`, { field });

/** The review that carries an answer. */
export const admissionReview = (response: AdmissionResponse): JsonObject => ({
  apiVersion: API_VERSION,
  kind: 'AdmissionReview',
  response,
});

/** Lets the object pass, with the changes of a patch if there are any. */
export function allowed(
  { uid }: AdmissionRequest,
  { patch = [], warnings = [] }: { patch?: readonly Operation[]; warnings?: readonly string[] } = {},
): AdmissionResponse {
  return {
    uid,
    allowed: true,
    ...bounded(warnings),
    ...(patch.length > 0 && { patchType: 'JSONPatch', patch: Buffer.from(printJson(patch)).toString('base64') }),
  };
}

const REASONS = { 403: 'Forbidden', 422: 'Invalid' } as const;

/** Refuses the object; each cause says where in it the mistake is. */
export function denied(
  { uid }: AdmissionRequest,
  code: keyof typeof REASONS,
  message: string,
  { causes = [], warnings = [] }: { causes?: Cause[]; warnings?: readonly string[] } = {},
): AdmissionResponse {
  const details = causes.length > 0 && { details: { causes } };
  return { uid, allowed: false, ...bounded(warnings), status: { code, reason: REASONS[code], message, ...details } };
}

/** What the API server passes on of warnings: it cuts each one, and then all together. In bytes. */
const WARNING_BYTES = 256;
const WARNINGS_BYTES = 4096;

function bounded(warnings: readonly string[]): { warnings?: string[] } {
  const kept: string[] = [];
  let left = WARNINGS_BYTES;
  for (const warning of new Set(warnings.map((text) => cut(text, WARNING_BYTES)))) {
    left -= Buffer.byteLength(warning);
    if (left < 0) break;
    kept.push(warning);
  }
  return kept.length > 0 ? { warnings: kept } : {};
}

/** The text in so many bytes at most; a character is kept whole or not at all. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const mark = '...';
  let end = 0;
  let length = mark.length;
  for (const character of text) {
    length += Buffer.byteLength(character);
    if (length > bytes) break;
    end += character.length;
  }
  return text.slice(0, end) + mark;
}
