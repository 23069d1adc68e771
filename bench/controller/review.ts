import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import type { Place } from './place.ts';
import { cpuSeconds } from './usage.ts';

export interface Reviews {
  p50: number;
  p99: number;
  /** Milliseconds of the controller's processor time for each. */
  cpuMs: number;
}

const RATE = 200;
const SECONDS = 15;
const WARM_UP = 400;

/** Pods of the namespace `cold` reviewed at a steady rate, over connections that are kept as API servers keep them. */
export async function reviewBench(place: Place): Promise<Reviews> {
  // The certificate was checked by the API server, which is who asks otherwise.
  const agent = new Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false });
  const { webhookPort, pid: pidOf } = place.controller();
  const pid = pidOf();
  const review = (index: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify(reviewOf(index));
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const began = performance.now();
      const url = `https://127.0.0.1:${webhookPort}/mutate-pods?timeout=10s`;
      const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.on('error', reject).on('end', () => {
          if (text.includes('"JSONPatch"')) resolve(performance.now() - began);
          else reject(new Error(text));
        });
      });
      sent.on('error', reject).end(body);
    });
  for (let index = 0; index < WARM_UP; index++) await review(index);
  const cpu = cpuSeconds(pid);
  const began = performance.now();
  const asked: Promise<number>[] = [];
  for (let index = 0; index < RATE * SECONDS; index++) {
    const wait = began + (index * 1000) / RATE - performance.now();
    if (wait > 1) await delay(wait);
    asked.push(review(index));
  }
  const times = (await Promise.all(asked)).sort((a, b) => a - b);
  const cpuMs = ((cpuSeconds(pid) - cpu) / times.length) * 1000;
  agent.destroy();
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? NaN;
  return { p50: at(0.5), p99: at(0.99), cpuMs };
}

/** What the API server asks about a pod of the fleet, managed fields and service account's volume included. */
function reviewOf(index: number): object {
  const mount = {
    name: 'kube-api-access-x2x5v',
    readOnly: true,
    mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
  };
  const object = {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      name: `p${index}`,
      namespace: 'cold',
      uid: '5b1c6a0e-7a0f-4d2f-9d0e-2d1f0c5b8a11',
      creationTimestamp: '2026-01-02T03:04:05Z',
      labels: { app: 'cold' },
      managedFields: [
        {
          manager: 'driver',
          operation: 'Update',
          apiVersion: 'v1',
          time: '2026-01-02T03:04:05Z',
          fieldsType: 'FieldsV1',
          fieldsV1: {
            'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
            'f:spec': { 'f:containers': { 'k:{"name":"app"}': { '.': {}, 'f:image': {} } } },
          },
        },
      ],
    },
    spec: {
      volumes: [
        {
          name: 'kube-api-access-x2x5v',
          projected: {
            sources: [
              { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
              { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
              {
                downwardAPI: {
                  items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
                },
              },
            ],
            defaultMode: 420,
          },
        },
      ],
      containers: [
        {
          name: 'app',
          image: 'app:1',
          env: [{ name: 'TZ', value: 'UTC' }],
          resources: {},
          volumeMounts: [mount],
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          imagePullPolicy: 'IfNotPresent',
        },
      ],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      serviceAccountName: 'default',
      nodeName: 'node-1',
      securityContext: {},
      schedulerName: 'default-scheduler',
    },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  };
  const resource = { group: '', version: 'v1', resource: 'pods' };
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: `r-${index}`,
      kind,
      resource,
      requestKind: kind,
      requestResource: resource,
      name: `p${index}`,
      namespace: 'cold',
      operation: 'CREATE',
      userInfo: { username: 'driver' },
      object,
      oldObject: null,
      dryRun: false,
    },
  };
}
