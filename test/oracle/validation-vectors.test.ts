import test from 'ava';
import { convertSourcePath } from '../../api/validation/field-path.ts';
import { patchPodMetadataErrors } from '../../api/validation/pod-metadata.ts';
import { resourcesPolicyErrors } from '../../api/validation/resources-policy.ts';
import { vectors } from './corpus.ts';
import { hasUnreadable, needsAmount } from './excuses/validation.ts';

interface Whitelist {
  configMap: string | null;
  setLabels: Record<string, string>;
  keys: string[];
  ok: boolean;
}
for (const [index, { configMap, setLabels, keys, ok }] of (vectors('whitelist') as Whitelist[]).entries()) {
  test(`whitelist ${index} ${configMap}`, (t) => {
    const annotations = Object.fromEntries(keys.map((key) => [key, 'v']));
    const patchPodMetadata = keys.length === 0 ? [] : [{ annotations, patchPolicy: 'Retain' }];
    const set = { at: '', value: { metadata: { labels: setLabels }, spec: { patchPodMetadata } } };
    const errors = patchPodMetadataErrors(set, { whitelist: configMap ?? undefined, allowedByDefault: false });
    t.is(errors.length === 0, ok);
  });
}

for (const { version, path, ok } of vectors('fieldLabel') as { version: string; path: string; ok: boolean }[]) {
  test(`fieldLabel ${version} ${path}`, (t) => t.is(!('problem' in convertSourcePath(version, path)), ok));
}

for (const one of vectors('expressionValidation') as { expr: string; variable: 'cpu' | 'memory'; ok: boolean }[]) {
  const { expr: text, variable: resource, ok } = one;
  test(`expressionValidation ${resource} ${JSON.stringify(text)}`, (t) => {
    const resourcesPolicy = { targetContainersNameRegex: '.*', resourcesExpr: { limits: { [resource]: text } } };
    const errors = resourcesPolicyErrors({ at: '', value: { resourcesPolicy } }, 'spec[0].resourcesPolicy');
    const isExcused = hasUnreadable({ text, resource }) || needsAmount({ text, resource });
    t.true(errors.length === (ok ? 0 : 1) || isExcused);
  });
}
