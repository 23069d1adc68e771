import { qualifiedName } from './names.ts';

/** A pod's field, as the downward API names it, taken apart: `metadata.labels['k']` has the subscript `k`. */
export interface FieldPath {
  path: string;
  subscript?: string;
}

/** Fields that the downward API knows without a subscript; the use decides which of them it takes. */
const KNOWN = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.serviceAccountName',
  'spec.schedulerName',
  'status.phase',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

/** Takes a field path apart. */
function parseFieldPath(text: string): FieldPath {
  const open = text.indexOf("['");
  if (open <= 0 || open > text.length - 4 || !text.endsWith("']")) return { path: text };
  return { path: text.slice(0, open), subscript: text.slice(open + 2, -2) };
}

/** A field path as Kubernetes reads it, or why it reads none. */
export function convertFieldPath(apiVersion: string, text: string): FieldPath | { problem: string } {
  if (apiVersion !== 'v1') return { problem: `unsupported pod version: ${apiVersion}` };
  const parsed = parseFieldPath(text);
  if (parsed.subscript !== undefined) {
    return hasKeys(parsed.path) ? parsed : { problem: `field label does not support subscript: ${text}` };
  }
  if (text === 'spec.host') return { path: 'spec.nodeName' };
  return KNOWN.includes(text) ? parsed : { problem: `field label not supported: ${text}` };
}

/** A field path from which the name of a source container may come: one label or annotation. */
export function convertSourcePath(apiVersion: string, text: string): Required<FieldPath> | { problem: string } {
  if (apiVersion !== 'v1') return { problem: `unsupported pod version: ${apiVersion}` };
  const { path, subscript } = parseFieldPath(text);
  if (subscript === undefined) return { problem: `field label not supported: ${text}` };
  return hasKeys(path) ? { path, subscript } : { problem: `field path not supported: ${path}` };
}

/** What is wrong with the key that a field path names; keys of annotations may have capitals in their prefix. */
export const subscriptProblems = ({ path, subscript }: Required<FieldPath>): string[] =>
  qualifiedName(path === 'metadata.annotations' ? subscript.toLowerCase() : subscript);

const hasKeys = (path: string): boolean => path === 'metadata.annotations' || path === 'metadata.labels';
