// Generated from api/crd/sidecar-set.yaml by `npm run generate`; do not edit.
import type { Schema } from '../schema.ts';

export const v1alpha1: Schema = {
  type: 'object',
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    spec: {
      type: 'object',
      properties: {
        selector: {
          type: 'object',
          properties: {
            matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
            matchExpressions: {
              type: 'array',
              items: {
                type: 'object',
                required: ['key', 'operator'],
                properties: {
                  key: { type: 'string' },
                  operator: { type: 'string' },
                  values: { type: 'array', items: { type: 'string' } },
                },
              },
            },
          },
        },
        namespaceSelector: {
          type: 'object',
          properties: {
            matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
            matchExpressions: {
              type: 'array',
              items: {
                type: 'object',
                required: ['key', 'operator'],
                properties: {
                  key: { type: 'string' },
                  operator: { type: 'string' },
                  values: { type: 'array', items: { type: 'string' } },
                },
              },
            },
          },
        },
        initContainers: {
          type: 'array',
          items: {
            type: 'object',
            'x-kubernetes-preserve-unknown-fields': true,
            properties: {
              podInjectPolicy: { type: 'string' },
              upgradeStrategy: {
                type: 'object',
                properties: {
                  upgradeType: { type: 'string' },
                  hotUpgradeEmptyImage: { type: 'string' },
                  migrationTimeoutSeconds: { type: 'integer', format: 'int32', minimum: 1 },
                  drainTimeoutSeconds: { type: 'integer', format: 'int32', minimum: 0 },
                  soakSeconds: { type: 'integer', format: 'int32', minimum: 0 },
                  rollback: { type: 'string', enum: ['Automatic', 'Never'] },
                },
              },
              shareVolumePolicy: { type: 'object', properties: { type: { type: 'string' } } },
              shareVolumeDevicePolicy: { type: 'object', properties: { type: { type: 'string' } } },
              transferEnv: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: {
                    sourceContainerName: { type: 'string' },
                    sourceContainerNameFrom: {
                      type: 'object',
                      properties: {
                        fieldRef: {
                          type: 'object',
                          required: ['fieldPath'],
                          properties: { apiVersion: { type: 'string' }, fieldPath: { type: 'string' } },
                        },
                      },
                    },
                    envName: { type: 'string' },
                    envNames: { type: 'array', items: { type: 'string' } },
                  },
                },
              },
              resourcesPolicy: {
                type: 'object',
                required: ['targetContainersMode', 'resourcesExpr'],
                properties: {
                  targetContainersMode: { type: 'string', enum: ['sum', 'max'] },
                  targetContainersNameRegex: { type: 'string', default: '.*' },
                  resourcesExpr: {
                    type: 'object',
                    properties: {
                      limits: { type: 'object', properties: { cpu: { type: 'string' }, memory: { type: 'string' } } },
                      requests: { type: 'object', properties: { cpu: { type: 'string' }, memory: { type: 'string' } } },
                    },
                  },
                },
              },
            },
          },
        },
        containers: {
          type: 'array',
          items: {
            type: 'object',
            'x-kubernetes-preserve-unknown-fields': true,
            properties: {
              podInjectPolicy: { type: 'string' },
              upgradeStrategy: {
                type: 'object',
                properties: {
                  upgradeType: { type: 'string' },
                  hotUpgradeEmptyImage: { type: 'string' },
                  migrationTimeoutSeconds: { type: 'integer', format: 'int32', minimum: 1 },
                  drainTimeoutSeconds: { type: 'integer', format: 'int32', minimum: 0 },
                  soakSeconds: { type: 'integer', format: 'int32', minimum: 0 },
                  rollback: { type: 'string', enum: ['Automatic', 'Never'] },
                },
              },
              shareVolumePolicy: { type: 'object', properties: { type: { type: 'string' } } },
              shareVolumeDevicePolicy: { type: 'object', properties: { type: { type: 'string' } } },
              transferEnv: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: {
                    sourceContainerName: { type: 'string' },
                    sourceContainerNameFrom: {
                      type: 'object',
                      properties: {
                        fieldRef: {
                          type: 'object',
                          required: ['fieldPath'],
                          properties: { apiVersion: { type: 'string' }, fieldPath: { type: 'string' } },
                        },
                      },
                    },
                    envName: { type: 'string' },
                    envNames: { type: 'array', items: { type: 'string' } },
                  },
                },
              },
              resourcesPolicy: {
                type: 'object',
                required: ['targetContainersMode', 'resourcesExpr'],
                properties: {
                  targetContainersMode: { type: 'string', enum: ['sum', 'max'] },
                  targetContainersNameRegex: { type: 'string', default: '.*' },
                  resourcesExpr: {
                    type: 'object',
                    properties: {
                      limits: { type: 'object', properties: { cpu: { type: 'string' }, memory: { type: 'string' } } },
                      requests: { type: 'object', properties: { cpu: { type: 'string' }, memory: { type: 'string' } } },
                    },
                  },
                },
              },
            },
          },
        },
        volumes: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        updateStrategy: {
          type: 'object',
          properties: {
            type: { type: 'string' },
            paused: { type: 'boolean' },
            selector: {
              type: 'object',
              properties: {
                matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
                matchExpressions: {
                  type: 'array',
                  items: {
                    type: 'object',
                    required: ['key', 'operator'],
                    properties: {
                      key: { type: 'string' },
                      operator: { type: 'string' },
                      values: { type: 'array', items: { type: 'string' } },
                    },
                  },
                },
              },
            },
            partition: { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
            maxUnavailable: { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
            failureThreshold: { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
            priorityStrategy: {
              type: 'object',
              properties: {
                orderPriority: {
                  type: 'array',
                  items: { type: 'object', required: ['orderedKey'], properties: { orderedKey: { type: 'string' } } },
                },
                weightPriority: {
                  type: 'array',
                  items: {
                    type: 'object',
                    required: ['weight', 'matchSelector'],
                    properties: {
                      weight: { type: 'integer', format: 'int32' },
                      matchSelector: {
                        type: 'object',
                        properties: {
                          matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
                          matchExpressions: {
                            type: 'array',
                            items: {
                              type: 'object',
                              required: ['key', 'operator'],
                              properties: {
                                key: { type: 'string' },
                                operator: { type: 'string' },
                                values: { type: 'array', items: { type: 'string' } },
                              },
                            },
                          },
                        },
                      },
                    },
                  },
                },
              },
            },
            scatterStrategy: {
              type: 'array',
              items: {
                type: 'object',
                required: ['key', 'value'],
                properties: { key: { type: 'string' }, value: { type: 'string' } },
              },
            },
          },
        },
        injectionStrategy: {
          type: 'object',
          properties: {
            paused: { type: 'boolean' },
            revision: {
              type: 'object',
              properties: {
                customVersion: { type: 'string' },
                revisionName: { type: 'string' },
                policy: { type: 'string', enum: ['Always', 'Partial'], default: 'Always' },
              },
            },
          },
        },
        imagePullSecrets: {
          type: 'array',
          items: { type: 'object', properties: { name: { type: 'string', default: '' } } },
        },
        revisionHistoryLimit: { type: 'integer', format: 'int32' },
        patchPodMetadata: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              annotations: { type: 'object', additionalProperties: { type: 'string' } },
              patchPolicy: { type: 'string' },
            },
          },
        },
        namespace: { type: 'string' },
      },
    },
    status: {
      type: 'object',
      required: ['matchedPods', 'updatedPods', 'readyPods'],
      properties: {
        observedGeneration: { type: 'integer', format: 'int64' },
        matchedPods: { type: 'integer', format: 'int32' },
        updatedPods: { type: 'integer', format: 'int32' },
        readyPods: { type: 'integer', format: 'int32' },
        updatedReadyPods: { type: 'integer', format: 'int32' },
        latestRevision: { type: 'string' },
        collisionCount: { type: 'integer', format: 'int32' },
        injectedRevision: { type: 'string' },
        conditions: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
          items: {
            type: 'object',
            required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
            properties: {
              type: { type: 'string' },
              status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
              observedGeneration: { type: 'integer', format: 'int64' },
              lastTransitionTime: { type: 'string', format: 'date-time' },
              reason: { type: 'string' },
              message: { type: 'string' },
            },
          },
        },
      },
    },
  },
};

export const v1beta1: Schema = {
  type: 'object',
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    spec: {
      type: 'object',
      properties: {
        selector: {
          type: 'object',
          properties: {
            matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
            matchExpressions: {
              type: 'array',
              items: {
                type: 'object',
                required: ['key', 'operator'],
                properties: {
                  key: { type: 'string' },
                  operator: { type: 'string' },
                  values: { type: 'array', items: { type: 'string' } },
                },
              },
            },
          },
        },
        namespaceSelector: {
          type: 'object',
          properties: {
            matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
            matchExpressions: {
              type: 'array',
              items: {
                type: 'object',
                required: ['key', 'operator'],
                properties: {
                  key: { type: 'string' },
                  operator: { type: 'string' },
                  values: { type: 'array', items: { type: 'string' } },
                },
              },
            },
          },
        },
        initContainers: {
          type: 'array',
          items: {
            type: 'object',
            'x-kubernetes-preserve-unknown-fields': true,
            properties: {
              podInjectPolicy: { type: 'string' },
              upgradeStrategy: {
                type: 'object',
                properties: {
                  upgradeType: { type: 'string' },
                  hotUpgradeEmptyImage: { type: 'string' },
                  migrationTimeoutSeconds: { type: 'integer', format: 'int32', minimum: 1 },
                  drainTimeoutSeconds: { type: 'integer', format: 'int32', minimum: 0 },
                  soakSeconds: { type: 'integer', format: 'int32', minimum: 0 },
                  rollback: { type: 'string', enum: ['Automatic', 'Never'] },
                },
              },
              shareVolumePolicy: { type: 'object', properties: { type: { type: 'string' } } },
              shareVolumeDevicePolicy: { type: 'object', properties: { type: { type: 'string' } } },
              transferEnv: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: {
                    sourceContainerName: { type: 'string' },
                    sourceContainerNameFrom: {
                      type: 'object',
                      properties: {
                        fieldRef: {
                          type: 'object',
                          required: ['fieldPath'],
                          properties: { apiVersion: { type: 'string' }, fieldPath: { type: 'string' } },
                        },
                      },
                    },
                    envName: { type: 'string' },
                    envNames: { type: 'array', items: { type: 'string' } },
                  },
                },
              },
              resourcesPolicy: {
                type: 'object',
                required: ['targetContainersMode', 'resourcesExpr'],
                properties: {
                  targetContainersMode: { type: 'string', enum: ['sum', 'max'] },
                  targetContainersNameRegex: { type: 'string', default: '.*' },
                  resourcesExpr: {
                    type: 'object',
                    properties: {
                      limits: { type: 'object', properties: { cpu: { type: 'string' }, memory: { type: 'string' } } },
                      requests: { type: 'object', properties: { cpu: { type: 'string' }, memory: { type: 'string' } } },
                    },
                  },
                },
              },
            },
          },
        },
        containers: {
          type: 'array',
          items: {
            type: 'object',
            'x-kubernetes-preserve-unknown-fields': true,
            properties: {
              podInjectPolicy: { type: 'string' },
              upgradeStrategy: {
                type: 'object',
                properties: {
                  upgradeType: { type: 'string' },
                  hotUpgradeEmptyImage: { type: 'string' },
                  migrationTimeoutSeconds: { type: 'integer', format: 'int32', minimum: 1 },
                  drainTimeoutSeconds: { type: 'integer', format: 'int32', minimum: 0 },
                  soakSeconds: { type: 'integer', format: 'int32', minimum: 0 },
                  rollback: { type: 'string', enum: ['Automatic', 'Never'] },
                },
              },
              shareVolumePolicy: { type: 'object', properties: { type: { type: 'string' } } },
              shareVolumeDevicePolicy: { type: 'object', properties: { type: { type: 'string' } } },
              transferEnv: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: {
                    sourceContainerName: { type: 'string' },
                    sourceContainerNameFrom: {
                      type: 'object',
                      properties: {
                        fieldRef: {
                          type: 'object',
                          required: ['fieldPath'],
                          properties: { apiVersion: { type: 'string' }, fieldPath: { type: 'string' } },
                        },
                      },
                    },
                    envName: { type: 'string' },
                    envNames: { type: 'array', items: { type: 'string' } },
                  },
                },
              },
              resourcesPolicy: {
                type: 'object',
                required: ['targetContainersMode', 'resourcesExpr'],
                properties: {
                  targetContainersMode: { type: 'string', enum: ['sum', 'max'] },
                  targetContainersNameRegex: { type: 'string', default: '.*' },
                  resourcesExpr: {
                    type: 'object',
                    properties: {
                      limits: { type: 'object', properties: { cpu: { type: 'string' }, memory: { type: 'string' } } },
                      requests: { type: 'object', properties: { cpu: { type: 'string' }, memory: { type: 'string' } } },
                    },
                  },
                },
              },
            },
          },
        },
        volumes: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        updateStrategy: {
          type: 'object',
          properties: {
            type: { type: 'string' },
            paused: { type: 'boolean' },
            selector: {
              type: 'object',
              properties: {
                matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
                matchExpressions: {
                  type: 'array',
                  items: {
                    type: 'object',
                    required: ['key', 'operator'],
                    properties: {
                      key: { type: 'string' },
                      operator: { type: 'string' },
                      values: { type: 'array', items: { type: 'string' } },
                    },
                  },
                },
              },
            },
            partition: { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
            maxUnavailable: { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
            failureThreshold: { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true },
            priorityStrategy: {
              type: 'object',
              properties: {
                orderPriority: {
                  type: 'array',
                  items: { type: 'object', required: ['orderedKey'], properties: { orderedKey: { type: 'string' } } },
                },
                weightPriority: {
                  type: 'array',
                  items: {
                    type: 'object',
                    required: ['weight', 'matchSelector'],
                    properties: {
                      weight: { type: 'integer', format: 'int32' },
                      matchSelector: {
                        type: 'object',
                        properties: {
                          matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
                          matchExpressions: {
                            type: 'array',
                            items: {
                              type: 'object',
                              required: ['key', 'operator'],
                              properties: {
                                key: { type: 'string' },
                                operator: { type: 'string' },
                                values: { type: 'array', items: { type: 'string' } },
                              },
                            },
                          },
                        },
                      },
                    },
                  },
                },
              },
            },
            scatterStrategy: {
              type: 'array',
              items: {
                type: 'object',
                required: ['key', 'value'],
                properties: { key: { type: 'string' }, value: { type: 'string' } },
              },
            },
          },
        },
        injectionStrategy: {
          type: 'object',
          properties: {
            paused: { type: 'boolean' },
            revision: {
              type: 'object',
              properties: {
                customVersion: { type: 'string' },
                revisionName: { type: 'string' },
                policy: { type: 'string', enum: ['Always', 'Partial'], default: 'Always' },
              },
            },
          },
        },
        imagePullSecrets: {
          type: 'array',
          items: { type: 'object', properties: { name: { type: 'string', default: '' } } },
        },
        revisionHistoryLimit: { type: 'integer', format: 'int32' },
        patchPodMetadata: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              annotations: { type: 'object', additionalProperties: { type: 'string' } },
              patchPolicy: { type: 'string' },
            },
          },
        },
        customVersion: { type: 'string' },
      },
    },
    status: {
      type: 'object',
      required: ['matchedPods', 'updatedPods', 'readyPods'],
      properties: {
        observedGeneration: { type: 'integer', format: 'int64' },
        matchedPods: { type: 'integer', format: 'int32' },
        updatedPods: { type: 'integer', format: 'int32' },
        readyPods: { type: 'integer', format: 'int32' },
        updatedReadyPods: { type: 'integer', format: 'int32' },
        latestRevision: { type: 'string' },
        collisionCount: { type: 'integer', format: 'int32' },
        injectedRevision: { type: 'string' },
        conditions: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
          items: {
            type: 'object',
            required: ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
            properties: {
              type: { type: 'string' },
              status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
              observedGeneration: { type: 'integer', format: 'int64' },
              lastTransitionTime: { type: 'string', format: 'date-time' },
              reason: { type: 'string' },
              message: { type: 'string' },
            },
          },
        },
      },
    },
  },
};
