/**
 * Kubernetes' rules for names, labels and values. Each gives the list of what is wrong with a text, in the words of the
 * Kubernetes API, because people search for these sentences.
 */
export type NameRule = (value: string) => string[];

const NAME_PART = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const DNS_LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const DNS_SUBDOMAIN = `${DNS_LABEL}(\\.${DNS_LABEL})*`;
const INNER =
  "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

const matches = (pattern: string, value: string): boolean => new RegExp(`^(?:${pattern})$`).test(value);

/** The sentence about a pattern that was missed. */
function patternMissed(rule: string, pattern: string, ...examples: string[]): string {
  const list = examples.map((example) => `'${example}', `).join(' or ');
  return `${rule} (e.g. ${list}regex used for validation is '${pattern}')`;
}

/** The sentence about a text over its limit, counted in bytes. */
const longerThan = (limit: number, value: string): string[] =>
  Buffer.byteLength(value) > limit ? [`must be no more than ${limit} characters`] : [];

/** The sentence about a number outside its range. */
export const outOfRange = (low: number, high: number): string => `must be between ${low} and ${high}, inclusive`;

const missing = (pattern: string, value: string, rule: string, ...examples: string[]): string[] =>
  matches(pattern, value) ? [] : [patternMissed(rule, pattern, ...examples)];

/** RFC 1123 label: names of containers and volumes. */
export const dnsLabel: NameRule = (value) => [
  ...longerThan(63, value),
  ...(!matches(DNS_LABEL, value) && matches(DNS_SUBDOMAIN, value)
    ? ['must not contain dots']
    : missing(
        DNS_LABEL,
        value,
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
        'my-name',
        '123-abc',
      )),
];

/** RFC 1123 subdomain: names of most objects, prefixes of labels. */
export const dnsSubdomain: NameRule = (value) => [
  ...longerThan(253, value),
  ...missing(
    DNS_SUBDOMAIN,
    value,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    'example.com',
  ),
];

/** Keys of labels and annotations: an optional subdomain, `/`, a name. */
export const qualifiedName: NameRule = (value) => {
  const parts = value.split('/');
  const rule = patternMissed(`must ${INNER}`, NAME_PART, 'MyName', 'my.name', '123-abc');
  if (parts.length > 2) {
    return [`a qualified name ${rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const name = parts.at(-1) ?? '';
  const prefix = parts.length === 2 ? parts[0] : undefined;
  return [
    ...(prefix === '' ? ['must be non-empty'] : prefix === undefined ? [] : dnsSubdomain(prefix)).map(
      (problem) => `prefix part ${problem}`,
    ),
    ...(name === '' ? ['name part must be non-empty'] : longerThan(63, name).map((problem) => `name part ${problem}`)),
    ...(matches(NAME_PART, name) ? [] : [`name part ${rule}`]),
  ];
};

/** Values of labels. */
export const labelValue: NameRule = (value) => [
  ...longerThan(63, value),
  ...missing(
    `(${NAME_PART})?`,
    value,
    `a valid label must be an empty string or ${INNER}`,
    'MyValue',
    'my_value',
    '12345',
  ),
];

/** Names of a SidecarSet: no dots, which Kubernetes would allow, but capitals. */
export const sidecarSetName: NameRule = (value) => [
  ...(/^[a-zA-Z0-9-]+$/.test(value)
    ? []
    : [
        patternMissed(
          "sidecarset name must consist of alphanumeric characters or '-'",
          String.raw`^[a-zA-Z0-9\-]+$`,
          'example-com',
        ),
      ]),
  ...longerThan(63, value),
];

/** Names of ports. */
export const portName: NameRule = (value) => [
  ...longerThan(15, value),
  ...(/^[-a-z0-9]+$/.test(value) ? [] : ['must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)']),
  ...(/[a-z]/.test(value) ? [] : ['must contain at least one letter (a-z)']),
  ...(value.includes('--') ? ['must not contain consecutive hyphens'] : []),
  ...(/^-|-$/.test(value) ? ['must not begin or end with a hyphen'] : []),
];

/** Names of environment variables. */
export const environmentName: NameRule = (value) => [
  ...missing(
    '[-._a-zA-Z][-._a-zA-Z0-9]*',
    value,
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
    'my.env-name',
    'MY_ENV.NAME',
    'MyEnvName1',
  ),
  ...climbs(value),
];

/** Keys of ConfigMaps and Secrets. */
export const configKey: NameRule = (value) => [
  ...longerThan(253, value),
  ...missing(
    '[-._a-zA-Z0-9]+',
    value,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    'key.name',
    'KEY_NAME',
    'key-name',
  ),
  ...climbs(value),
];

/** Names of HTTP headers. */
export const headerName: NameRule = (value) =>
  missing(
    '[-A-Za-z0-9]+',
    value,
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    'X-Header-Name',
  );

/** Whole percentages. */
export const percentage: NameRule = (value) =>
  missing('[0-9]+%', value, "a valid percent string must be a numeric string followed by an ending '%'", '1%', '93%');

/** A name that a file may get must not lead out of its folder. */
function climbs(value: string): string[] {
  if (value === '.' || value === '..') return [`must not be '${value}'`];
  return value.startsWith('..') ? ["must not start with '..'"] : [];
}
