import { convert } from '../../api/conversion.ts';
import { ApiError } from '../../api/error.ts';
import { isObject, type JsonObject } from '../../api/json.ts';
import { requestError } from './error.ts';

const API_VERSION = 'apiextensions.k8s.io/v1';

/**
 * Answers a ConversionReview: every object in the version that is asked for, in their order, or for all of them one failure
 * with the field that cannot be read.
 *
 * @throws ApiError `ERR_BATON_REQUEST` (400) naming the field of the review that is not what it must be
 */
export function answerConversionReview(review: unknown): JsonObject {
  if (!isObject(review)) throw malformed('', 'must be an object');
  if (review['apiVersion'] !== API_VERSION) throw malformed('apiVersion', `must be ${API_VERSION}`);
  if (review['kind'] !== 'ConversionReview') throw malformed('kind', 'must be ConversionReview');
  const { request } = review;
  if (!isObject(request)) throw malformed('request', 'must be an object');
  const { uid, desiredAPIVersion, objects } = request;
  if (typeof uid !== 'string' || uid === '') throw malformed('request.uid', 'must be a text that is not empty');
  if (typeof desiredAPIVersion !== 'string') throw malformed('request.desiredAPIVersion', 'must be a text');
  if (!Array.isArray(objects)) throw malformed('request.objects', 'must be a list');
  return {
    apiVersion: API_VERSION,
    kind: 'ConversionReview',
    response: { uid, ...converted(objects as unknown[], desiredAPIVersion) },
  };
}

function converted(objects: readonly unknown[], apiVersion: string): JsonObject {
  const convertedObjects: unknown[] = [];
  for (const [index, object] of objects.entries()) {
    if (!isObject(object)) throw malformed(`request.objects[${index}]`, 'must be an object');
    try {
      convertedObjects.push(object['apiVersion'] === apiVersion ? object : convert(object, apiVersion));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const message = `${nameOf(object)}: ${error.message}`;
      return { convertedObjects: [], result: { status: 'Failure', code: 422, reason: 'Invalid', message } };
    }
  }
  return { convertedObjects, result: { status: 'Success' } };
}

function nameOf({ metadata }: JsonObject): string {
  const name = isObject(metadata) ? metadata['name'] : undefined;
  return typeof name === 'string' ? `SidecarSet ${name}` : 'SidecarSet';
}

const malformed = (field: string, problem: string): ApiError =>
  requestError(400, `ConversionReview${field === '' ? '' : `: ${field}`}: ${problem}`, { field });
