/*!
 * The part of the container runtime interface, runtime.v1, that Baton's agent speaks. Message names and field numbers are those
 * of k8s.io/cri-api, pkg/apis/runtime/v1/api.proto:
 *
 * Copyright 2020 The Kubernetes Authors.
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the
 * License. You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS
 * IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific
 * language governing permissions and limitations under the License.
 */
import type { fromJSON } from '@grpc/proto-loader';

const text = (id: number) => ({ type: 'string', id });
const texts = (id: number) => ({ keyType: 'string', type: 'string', id });
const method = (name: string) => ({ requestType: `${name}Request`, responseType: `${name}Response`, comment: '' });
const message = (id: number, type: string) => ({ type, id });

/** As protobufjs describes messages: it is bundled with the code, so no file has to be found at run time. */
export const runtimeProtocol: Parameters<typeof fromJSON>[0] = {
  nested: {
    runtime: {
      nested: {
        v1: {
          nested: {
            RuntimeService: {
              methods: {
                Version: method('Version'),
                ListContainers: method('ListContainers'),
                ContainerStatus: method('ContainerStatus'),
                StopContainer: method('StopContainer'),
              },
            },
            ImageService: {
              methods: {
                ImageStatus: method('ImageStatus'),
                PullImage: method('PullImage'),
              },
            },
            VersionRequest: { fields: { version: text(1) } },
            VersionResponse: {
              fields: { version: text(1), runtimeName: text(2), runtimeVersion: text(3), runtimeApiVersion: text(4) },
            },
            ContainerState: {
              values: { CONTAINER_CREATED: 0, CONTAINER_RUNNING: 1, CONTAINER_EXITED: 2, CONTAINER_UNKNOWN: 3 },
            },
            ContainerMetadata: { fields: { name: text(1), attempt: { type: 'uint32', id: 2 } } },
            ContainerFilter: { fields: { id: text(1), labelSelector: texts(4) } },
            ListContainersRequest: { fields: { filter: message(1, 'ContainerFilter') } },
            Container: {
              fields: { id: text(1), metadata: message(3, 'ContainerMetadata'), imageRef: text(5), labels: texts(8) },
            },
            ListContainersResponse: { fields: { containers: { rule: 'repeated', type: 'Container', id: 1 } } },
            ContainerStatusRequest: { fields: { containerId: text(1) } },
            ContainerStatus: {
              fields: {
                id: text(1),
                metadata: message(2, 'ContainerMetadata'),
                state: message(3, 'ContainerState'),
                createdAt: { type: 'int64', id: 4 },
                startedAt: { type: 'int64', id: 5 },
                finishedAt: { type: 'int64', id: 6 },
                exitCode: { type: 'int32', id: 7 },
                imageRef: text(9),
                reason: text(10),
                labels: texts(12),
                imageId: text(17),
              },
            },
            ContainerStatusResponse: { fields: { status: message(1, 'ContainerStatus') } },
            StopContainerRequest: { fields: { containerId: text(1), timeout: { type: 'int64', id: 2 } } },
            StopContainerResponse: { fields: {} },
            ImageSpec: { fields: { image: text(1) } },
            Image: { fields: { id: text(1), repoDigests: { rule: 'repeated', type: 'string', id: 3 } } },
            ImageStatusRequest: { fields: { image: message(1, 'ImageSpec') } },
            ImageStatusResponse: { fields: { image: message(1, 'Image') } },
            // Without its `auth`: the agent has no pull secrets.
            PullImageRequest: { fields: { image: message(1, 'ImageSpec') } },
            PullImageResponse: { fields: { imageRef: text(1) } },
          },
        },
      },
    },
  },
};

/** Containers of pods carry these labels; the kubelet writes them. */
export const labels = { podUid: 'io.kubernetes.pod.uid' } as const;

/** One life of a container, as the runtime tells it. Times are nanoseconds since the epoch, 0 for not yet. */
export interface WireStatus {
  id: string;
  metadata: { name: string; attempt: number } | null;
  state: 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';
  createdAt: string;
  startedAt: string;
  finishedAt: string;
  exitCode: number;
  /** The image's ID, or one of its digests, as the runtime likes; `imageId` only since CRI 1.29. */
  imageRef: string;
  imageId: string;
  reason: string;
  labels: Record<string, string>;
}

/** One life of a container in the runtime's list. */
export type WireContainer = Pick<WireStatus, 'id' | 'imageRef'>;

export interface WireImage {
  id: string;
  repoDigests: string[];
}
