import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { parse } from 'yaml';
import { fieldTables, type Described } from './fields.ts';

/*
 * `npm run generate`: writes the pages that repeat what the code says, the fields of a SidecarSet and the commands' help texts. A
 * test compares them with what this would write.
 */

const here = (path: string): string => new URL(path, import.meta.url).pathname;
const note = (source: string): string => `<!-- Generated from ${source} by \`npm run generate\`; do not edit. -->`;

interface Crd {
  spec: { versions: { name: string; schema: { openAPIV3Schema: Described } }[] };
}

/** The pages that are generated, by path, with the text that they must have. */
export async function generated(): Promise<Map<string, string>> {
  const pages: [path: string, text: string][] = [
    [here('sidecarset.md'), sidecarSetPage()],
    [here('cli.md'), await cliPage()],
  ];
  const pretty = await Promise.all(
    pages.map(async ([path, text]) => {
      const options = { ...(await resolveConfig(path)), filepath: path };
      return [path, await format(text, options)] as const;
    }),
  );
  return new Map(pretty);
}

function sidecarSetPage(): string {
  const crd = parse(readFileSync(here('../../api/crd/apps.kruise.io_sidecarsets.yaml'), 'utf8')) as Crd;
  const versions = Object.fromEntries(crd.spec.versions.map(({ name, schema }) => [name, schema.openAPIV3Schema]));
  return `${note('api/crd/sidecar-set.yaml')}

# The fields of a SidecarSet

\`apiVersion: apps.kruise.io/v1beta1\` or \`v1alpha1\`, \`kind: SidecarSet\`, of the whole cluster (no namespace). \`kubectl explain
sidecarset.spec --recursive\` says the same. All fields are OpenKruise's, but for those that begin with **Baton**, and in the status
\`injectedRevision\` and \`conditions\` ([what they say](../controller.md#what-the-conditions-say)).

\`selector\` says which pods get the sidecars, \`namespaceSelector\` in which namespaces (all if not set), \`updateStrategy.selector\`
which of them are upgraded (all if not set). A sidecar has all fields of a container of a pod beside its own. A webhook sets
defaults, and refuses what cannot work by the name of the field; \`baton inject\` says the same [without a cluster](../inject.md).

${fieldTables(versions)}`;
}

async function cliPage(): Promise<string> {
  const folder = here('../../cli');
  const commands = readdirSync(folder)
    .filter((file) => file.endsWith('.ts') && file !== 'baton.ts')
    .sort();
  const texts = await Promise.all(
    commands.map(async (file) => {
      const { help } = (await import(`${folder}/${file}`)) as { help?: string };
      const name = file.replace('.ts', '');
      return help === undefined ? [] : [`## \`baton ${name}\`\n\n\`\`\`text\n${help}\`\`\`\n`];
    }),
  );
  return `${note("the commands' help texts")}

# \`baton\`

The program of the npm package \`baton-sidecar\`, and, under its second name \`kubectl-baton\`, a plugin of kubectl. \`baton --version\`
prints the version, \`baton COMMAND --help\` what stands here.

${texts.flat().join('\n')}`;
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, text] of await generated()) writeFileSync(path, text);
}
