import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import jsonPatch, { type Operation } from 'fast-json-patch';
import { withDefaults } from '../../../api/defaults.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { issueAuthority, issueServing } from '../../../controller/webhook/certificates/issue.ts';
import type { KeyPair } from '../../../controller/webhook/certificates/key-pair.ts';
import { serveWebhooks, type WebhookOptions, type WebhookServer } from '../../../controller/webhook/server.ts';
import type { Scope } from '../../helpers/processes.ts';

export const NOW = Date.UTC(2026, 0, 1);

/** A set that matches {@link pod}, defaulted. */
export const setOf = (spec: object = {}, name = 's'): SidecarSet =>
  withDefaults({
    apiVersion: 'apps.kruise.io/v1beta1',
    kind: 'SidecarSet',
    metadata: { name },
    spec: { selector: { matchLabels: { app: 'a' } }, containers: [{ name: 'side', image: 'side:1' }], ...spec },
  });

export const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'shop', labels: { app: 'a' } },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
};

/** A review of a pod that is created, or of another request if it is given. */
export const podReview = (object: unknown, more: object = {}): object => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: 'u-1',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    operation: 'CREATE',
    namespace: 'shop',
    object,
    ...more,
  },
});

/** A review of a SidecarSet that is created, or of another request if it is given. */
export const setReview = (object: unknown, more: object = {}): object =>
  podReview(object, {
    kind: { group: 'apps.kruise.io', version: 'v1beta1', kind: 'SidecarSet' },
    resource: { group: 'apps.kruise.io', version: 'v1beta1', resource: 'sidecarsets' },
    namespace: undefined,
    ...more,
  });

export interface Response {
  uid: string;
  allowed: boolean;
  patch?: string;
  patchType?: string;
  warnings?: string[];
  status?: {
    code: number;
    reason: string;
    message: string;
    details?: { causes: { field: string; message: string }[] };
  };
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The response of the review. */
  response: Response;
  /** Serial number of the certificate that was served. */
  serial: string;
}

export interface PostOptions {
  method?: string;
  headers?: Record<string, string>;
  agent?: Agent;
}

export interface Running extends WebhookServer {
  authority: KeyPair;
  agent: Agent;
  errors: unknown[];
  post: (path: string, body: unknown, options?: PostOptions) => Promise<Answer>;
}

/** Webhooks on a port of the loopback, with certificates of their own; closed when the test ends. */
export async function serve(t: Scope, options: Partial<WebhookOptions> = {}): Promise<Running> {
  const authority = await issueAuthority(Date.now());
  const keyPair = await issueServing(authority, ['127.0.0.1', 'localhost'], Date.now());
  const errors: unknown[] = [];
  const server = await serveWebhooks({
    port: 0,
    host: '127.0.0.1',
    keyPair,
    sources: () => ({ sidecarSets: [setOf()], namespaces: [], revisions: [] }),
    now: () => NOW,
    draw: () => 0.5,
    onError: (error) => errors.push(error),
    ...options,
  });
  t.teardown(() => server.close(0));
  const agent = new Agent({ ca: authority.certificate, keepAlive: true });
  t.teardown(() => agent.destroy());
  return {
    ...server,
    authority,
    agent,
    errors,
    post: (path, body, { method = 'POST', headers = {}, agent: other = agent } = {}) =>
      send(server.port, path, typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body), {
        method,
        agent: other,
        headers: { 'content-type': 'application/json', ...headers },
      }),
  };
}

async function send(
  port: number,
  path: string,
  body: string | Buffer,
  options: { method: string; headers: Record<string, string>; agent: Agent },
): Promise<Answer> {
  const asked = request({ host: '127.0.0.1', port, path, ...options });
  asked.end(body);
  const [incoming] = (await once(asked, 'response')) as [IncomingMessage];
  const socket: unknown = incoming.socket;
  const serial = (socket as TLSSocket).getPeerX509Certificate()?.serialNumber ?? '';
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const { response } = (text.startsWith('{') ? JSON.parse(text) : {}) as { response?: Response };
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    text,
    response: response as Response,
    serial,
  };
}

/** The operations of an answer. */
export const operationsOf = ({ patch }: Response): Operation[] =>
  patch === undefined ? [] : (JSON.parse(Buffer.from(patch, 'base64').toString()) as Operation[]);

/** The object as the API server stores it behind the answer, by another library. */
export const patched = <T>(object: T, response: Response): T =>
  jsonPatch.applyPatch(structuredClone(object), operationsOf(response), true).newDocument;
