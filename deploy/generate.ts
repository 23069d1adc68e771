import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { isMap, isScalar, parseDocument, stringify, type Document, type Node, type YAMLMap } from 'yaml';

/*
 * `npm run generate`: writes from the kustomize base those of the chart's templates that differ from it in the namespace, in labels
 * and in little else, and the chart's table of values from values.yaml. A test compares them with what this would write.
 */

const here = (path: string): string => new URL(path, import.meta.url).pathname;
const read = (path: string): string => readFileSync(here(path), 'utf8');

/** By template, the manifest it is made of. What has many values has a template written by hand. */
const sources: Record<string, string> = {
  'controller/service-account.yaml': 'base/controller/service-account.yaml',
  'controller/role.yaml': 'base/controller/role.yaml',
  'controller/disruption-budget.yaml': 'base/controller/disruption-budget.yaml',
  'controller/service.yaml': 'base/controller/service.yaml',
  'controller/webhooks.yaml': 'base/controller/webhooks.yaml',
  'controller/certificate.yaml': 'cert-manager/certificate.yaml',
  'agent/service-account.yaml': 'base/agent/service-account.yaml',
  'agent/role.yaml': 'base/agent/role.yaml',
  'agent/policy.yaml': 'base/agent/policy.yaml',
  'agent/service.yaml': 'base/agent/service.yaml',
};

/** The files that are generated, by path, with the text that they must have. */
export async function generated(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [template, source] of Object.entries(sources)) {
    files.set(
      here(`chart/templates/${template}`),
      `${noteOf(`deploy/${source}`)}\n${templateOf(template, read(source))}`,
    );
  }
  const crd = read('../api/crd/apps.kruise.io_sidecarsets.yaml');
  files.set(
    here('chart/templates/crd.yaml'),
    `${noteOf('api/crd and deploy/base/conversion.yaml')}\n${crdTemplate(crd)}`,
  );
  const readme = here('chart/README.md');
  const table = tableOf(valuesIn(read('chart/values.yaml')));
  const text = readFileSync(readme, 'utf8').replace(
    /(<!-- values -->\n)[\s\S]*?(<!-- \/values -->)/,
    `$1\n${table}\n$2`,
  );
  files.set(readme, await format(text, { ...(await resolveConfig(readme)), filepath: readme }));
  return files;
}

const noteOf = (source: string): string =>
  `{{- /* Generated from ${source} by \`npm run generate\`; do not edit. */ -}}`;

const NAMESPACE = '{{ .Release.Namespace }}';
const INJECT = '{{- with include "baton.inject" . }}\n  annotations: { {{ . }} }\n  {{- end }}';

function templateOf(template: string, manifest: string): string {
  const text = replaceSome(
    manifest.replace(
      '[kube-system, kube-public, baton-system]',
      '{{ toJson (append .Values.excludedNamespaces .Release.Namespace | uniq) }}',
    ),
    /^ {2}labels: \{ app\.kubernetes\.io\/name: baton, app\.kubernetes\.io\/component: (\w+) \}$/gm,
    '  labels: {{- include "baton.labels" (dict "component" "$1" "root" .) | nindent 4 }}',
  ).replaceAll('baton-system', NAMESPACE);
  if (template === 'controller/webhooks.yaml') return replaceSome(text, /^ {2}labels: .*$/gm, `$&\n  ${INJECT}`);
  if (template === 'controller/certificate.yaml') return `{{- if .Values.certManager.enabled }}\n${text}{{- end }}\n`;
  return text;
}

/** It outlives the release, and with it all SidecarSets; and, unlike what is in a chart's `crds/`, it is upgraded. */
function crdTemplate(crd: string): string {
  const { spec } = parseDocument(read('base/conversion.yaml')).toJS() as { spec: object };
  const conversion = stringify(spec).replace(/^/gm, '  ').trimEnd();
  const metadata = [
    '  labels: {{- include "baton.labels" (dict "component" "controller" "root" .) | nindent 4 }}',
    '  annotations:',
    '    helm.sh/resource-policy: keep',
    '    {{- with include "baton.inject" . }}',
    '    {{ . }}',
    '    {{- end }}',
  ].join('\n');
  const text = replaceSome(crd, /^# .*\n/, '').replace(/^spec:$/m, `${metadata}\n$&\n${conversion}`);
  return text.replaceAll('baton-system', NAMESPACE);
}

function replaceSome(text: string, pattern: RegExp, by: string): string {
  const replaced = text.replace(pattern, by);
  if (replaced === text) throw new Error(`nothing matches ${String(pattern)}: ${text.slice(0, 200)}`);
  return replaced;
}

/** A value of the chart: where it is, what it is unless one says so, and what it does. */
export interface ChartValue {
  path: string;
  value: unknown;
  about: string;
}

/**
 * Every value that has a comment. What has none is a section of others.
 *
 * @throws Error where something is neither
 */
export function valuesIn(text: string): ChartValue[] {
  const document = parseDocument(text);
  if (!isMap(document.contents)) throw new Error('values.yaml is no map');
  return valuesOf(document, document.contents, '', document.commentBefore ?? undefined);
}

function valuesOf(document: Document, map: YAMLMap, prefix: string, first?: string | null): ChartValue[] {
  return map.items.flatMap(({ key, value }, index) => {
    if (!isScalar(key)) throw new Error(`values.yaml: under ${prefix} is a key that is no text`);
    const path = `${prefix}${String(key.value)}`;
    // The comment above a map's first key is the map's.
    const comment = key.commentBefore ?? (index === 0 ? (first ?? map.commentBefore) : undefined);
    if (comment) {
      const about = comment
        .split('\n')
        .map((line) => line.trim())
        .join(' ')
        .trim();
      return [{ path, value: (value as Node).toJS(document) as unknown, about }];
    }
    if (!isMap(value)) throw new Error(`values.yaml: ${path} has no comment`);
    return valuesOf(document, value, `${path}.`);
  });
}

function tableOf(values: readonly ChartValue[]): string {
  const rows = values.map(({ path, value, about }) => {
    const shown = typeof value === 'string' && value !== '' ? value : JSON.stringify(value);
    return `| \`${path}\` | \`${shown}\` | ${about.replaceAll('|', '\\|')} |`;
  });
  return ['| value | default | what it is |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, text] of await generated()) writeFileSync(path, text);
}
