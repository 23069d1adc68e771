import { list, map, struct } from './wire.ts';

export const selector = struct({
  matchLabels: map('string'),
  matchExpressions: list(struct({ 'key!': 'string', 'operator!': 'string', values: list('string') })),
});

/** meta/v1 ObjectMeta; Go also writes an unset `creationTimestamp`, as `null`: a reader cannot tell it from none. */
export const metadata = struct({
  name: 'string',
  generateName: 'string',
  namespace: 'string',
  selfLink: 'string',
  uid: 'string',
  resourceVersion: 'string',
  generation: 'int64',
  'creationTimestamp?': 'string',
  'deletionTimestamp?': 'string',
  'deletionGracePeriodSeconds?': 'int64',
  labels: map('string'),
  annotations: map('string'),
  ownerReferences: list(
    struct({
      'apiVersion!': 'string',
      'kind!': 'string',
      'name!': 'string',
      'uid!': 'string',
      'controller?': 'boolean',
      'blockOwnerDeletion?': 'boolean',
    }),
  ),
  finalizers: list('string'),
  managedFields: list('any'),
});
