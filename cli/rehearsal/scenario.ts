import { dirname, resolve } from 'node:path';
import type { Expectation } from './expectation.ts';
import { metrics, parseComparison } from './expectation.ts';
import type { Fault } from './faults.ts';
import { faults, losesRequests, usualResult } from './faults.ts';
import type { HttpLoad, Load, TcpLoad } from './load-types.ts';
import type { Field, Fields, Problem } from './yaml-fields.ts';
import { readFields } from './yaml-fields.ts';

/** A scenario file, checked and with its defaults. Durations in milliseconds. */
export interface Scenario {
  file: string;
  /** The folder of the file: working directory of every process. */
  directory: string;
  sidecar: {
    name: string;
    command: string[];
    env: Record<string, string>;
    host: string;
    /** 0: a free one is chosen. */
    port: number;
    postStart?: string[];
    grace: number;
  };
  upgrades: PlannedUpgrade[];
  load: Load;
  pauses: { before: number; between: number; after: number };
  timeouts: { start: number; migration: number; drain: number };
  soak: number;
  expect: { upgrades: ExpectedResult[]; figures: Expectation[] };
}

export interface PlannedUpgrade {
  command?: string[];
  env: Record<string, string>;
  fault?: Fault;
}

export const results = ['done', 'rolled-back', 'degraded', 'any'] as const;
export type ExpectedResult = (typeof results)[number];

/** Reads a scenario's text, or says all that is wrong with it, ordered by line. */
export function parseScenario(text: string, file: string): Scenario | Problem[] {
  const { root, fields } = readFields(text);
  if (fields.problems.length > 0) return fields.problems;
  const top = fields.map(root, ['sidecar', 'upgrades', 'load', 'timeouts', 'soak', 'expect']);
  const sidecar = readSidecar(fields, root, top.get('sidecar'));
  const upgrades = readUpgrades(fields, top.get('upgrades'));
  const { load, pauses } = readLoad(fields, top.get('load'));
  const timeouts = readTimeouts(fields, top.get('timeouts'));
  const soakField = top.get('soak');
  const soak = (soakField && fields.duration(soakField)) ?? 0;
  const expect = readExpect(fields, top.get('expect'), load, upgrades);
  if (fields.problems.length > 0) return fields.problems.sort((a, b) => a.line - b.line);
  return { file, directory: dirname(resolve(file)), sidecar, upgrades, load, pauses, timeouts, soak, expect };
}

/** `file:line: field message`, as compilers write it. */
export function formatProblem(file: string, { line, field, message }: Problem): string {
  return `${file}:${line}: ${field === '' ? message : `${field} ${message}`}`;
}

function readSidecar(fields: Fields, root: Field, field: Field | undefined): Scenario['sidecar'] {
  const sidecar: Scenario['sidecar'] = {
    name: 'sidecar',
    command: [],
    env: {},
    host: '127.0.0.1',
    port: 0,
    grace: 30_000,
  };
  if (!field) {
    fields.complain(root, 'sidecar is missing: which command is to be rehearsed?');
    return sidecar;
  }
  const found = fields.map(field, ['name', 'command', 'env', 'host', 'port', 'postStart', 'grace']);
  const get = reader(found);
  sidecar.name = get('name', (name) => readName(fields, name)) ?? sidecar.name;
  sidecar.command = get('command', fields.command) ?? sidecar.command;
  if (!found.has('command')) fields.complain(field, 'needs command: a list, for example [node, sidecar.js]');
  sidecar.env = get('env', fields.textMap) ?? sidecar.env;
  sidecar.host = get('host', fields.text) ?? sidecar.host;
  sidecar.port = get('port', (port) => fields.integer(port, 0, 65_535)) ?? sidecar.port;
  sidecar.grace = get('grace', fields.duration) ?? sidecar.grace;
  const postStart = get('postStart', fields.command);
  return postStart ? { ...sidecar, postStart } : sidecar;
}

/** A container's name, short enough for its copies' suffix. */
function readName(fields: Fields, field: Field): string | undefined {
  const name = fields.text(field);
  if (name === undefined || /^[a-z0-9]([a-z0-9-]{0,59}[a-z0-9])?$/.test(name)) return name;
  fields.complain(field, 'must be a container name: small letters, digits and inner hyphens, at most 61');
  return undefined;
}

function readUpgrades(fields: Fields, field: Field | undefined): PlannedUpgrade[] {
  if (!field) return [{ env: {} }];
  if (!fields.isList(field)) {
    if (fields.isMap(field)) fields.complain(field, 'must be a number or a list');
    const count = fields.isMap(field) ? undefined : fields.integer(field, 0, 10_000);
    return Array.from({ length: count ?? 0 }, () => ({ env: {} }));
  }
  return (fields.list(field) ?? []).map((item) => {
    const get = reader(fields.map(item, ['command', 'env', 'fault']));
    const command = get('command', fields.command);
    const fault = get('fault', (value) => fields.choice(value, faults));
    const env = get('env', fields.textMap) ?? {};
    return { env, ...(command ? { command } : {}), ...(fault === undefined ? {} : { fault }) };
  });
}

export function readLoad(fields: Fields, field: Field | undefined): Pick<Scenario, 'load' | 'pauses'> {
  const pauses = { before: 2_000, between: 1_000, after: 2_000 };
  const http: HttpLoad = {
    kind: 'http',
    connections: 100,
    timeout: 10_000,
    method: 'GET',
    path: '/',
    headers: {},
    versionHeader: 'x-sidecar-version',
  };
  if (!field) return { load: http, pauses };
  const all = ['kind', 'before', 'between', 'after'];
  const clients = [...all, 'connections', 'rate', 'timeout'];
  const kinds = {
    none: all,
    tcp: clients,
    http: [...clients, 'method', 'path', 'headers', 'body', 'versionHeader'],
  };
  // The kind decides which other fields there are.
  const kindField = fields.isMap(field) ? fields.entries(field).find(([name]) => name === 'kind')?.[1] : undefined;
  const kind = kindField ? (fields.choice(kindField, ['http', 'tcp', 'none'] as const) ?? 'http') : 'http';
  const get = reader(fields.map(field, kinds[kind]));
  pauses.before = get('before', fields.duration) ?? pauses.before;
  pauses.between = get('between', fields.duration) ?? pauses.between;
  pauses.after = get('after', fields.duration) ?? pauses.after;
  if (kind === 'none') return { load: { kind }, pauses };
  const rate = get('rate', (value) => fields.integer(value, 1, 1_000_000));
  const common: TcpLoad = {
    kind: 'tcp',
    connections: get('connections', (value) => fields.integer(value, 1, 10_000)) ?? http.connections,
    timeout: get('timeout', fields.duration) ?? http.timeout,
    ...(rate === undefined ? {} : { rate }),
  };
  if (kind === 'tcp') return { load: common, pauses };
  const body = get('body', fields.text);
  const load: HttpLoad = {
    ...common,
    kind: 'http',
    method: get('method', (value) => readMethod(fields, value)) ?? (body === undefined ? 'GET' : 'POST'),
    path: get('path', (value) => readPath(fields, value)) ?? http.path,
    headers: get('headers', fields.textMap) ?? {},
    versionHeader: (get('versionHeader', fields.text) ?? http.versionHeader).toLowerCase(),
    ...(body === undefined ? {} : { body }),
  };
  return { load, pauses };
}

function readMethod(fields: Fields, field: Field): string | undefined {
  const method = fields.text(field);
  if (method === undefined || /^[A-Z]{3,16}$/.test(method)) return method;
  fields.complain(field, 'must be an HTTP method in capitals, for example POST');
  return undefined;
}

function readPath(fields: Fields, field: Field): string | undefined {
  const path = fields.text(field);
  if (path === undefined || /^\/[\x21-\x7e]*$/.test(path)) return path;
  fields.complain(field, 'must begin with / and hold no spaces');
  return undefined;
}

function readTimeouts(fields: Fields, field: Field | undefined): Scenario['timeouts'] {
  const timeouts = { start: 15_000, migration: 30_000, drain: 60_000 };
  if (!field) return timeouts;
  const get = reader(fields.map(field, ['start', 'migration', 'drain']));
  return {
    start: get('start', fields.duration) ?? timeouts.start,
    migration: get('migration', fields.duration) ?? timeouts.migration,
    drain: get('drain', fields.duration) ?? timeouts.drain,
  };
}

function readExpect(
  fields: Fields,
  field: Field | undefined,
  load: Load,
  upgrades: readonly PlannedUpgrade[],
): Scenario['expect'] {
  const found = field ? fields.map(field, ['upgrades', ...metrics]) : new Map<string, Field>();
  const planned = upgrades.map(({ fault }) => fault);
  const usual = load.kind === 'none' ? [] : usualFigures(planned.some(losesRequests));
  if (load.kind === 'none') complainOfUnmeasured(fields, found);
  const figures = readFigures(fields, found, metrics, usual);
  const listed = found.get('upgrades');
  return { upgrades: (listed && readResults(fields, listed, planned.length)) ?? planned.map(usualResult), figures };
}

/** Without a load of our own there are no figures of clients. */
export function complainOfUnmeasured(fields: Fields, found: ReadonlyMap<string, Field>): void {
  for (const metric of metrics) {
    const value = found.get(metric);
    if (value) fields.complain(value, 'is not measured with load.kind none');
  }
}

/** What is expected of the figures `names`: what the scenario says, else what is usual. */
export function readFigures<M extends string>(
  fields: Fields,
  found: ReadonlyMap<string, Field>,
  names: readonly M[],
  usual: readonly Expectation<M>[],
): Expectation<M>[] {
  const figures = [...usual];
  for (const metric of names) {
    const value = found.get(metric);
    if (!value) continue;
    const comparison = parseComparison(fields.scalar(value));
    if (comparison === undefined) {
      fields.complain(value, 'must be a number, a comparison such as ">= 100" or "< 50", or any');
      continue;
    }
    const index = figures.findIndex((figure) => figure.metric === metric);
    if (index >= 0) figures.splice(index, 1);
    if (comparison) figures.push({ metric, ...comparison });
  }
  return figures;
}

export function usualFigures(lossy: boolean): Expectation[] {
  const figures: Expectation[] = [
    { metric: 'requests.total', operator: '>', value: 0 },
    { metric: 'connections.refused', operator: '==', value: 0 },
  ];
  if (lossy) return figures;
  return [
    ...figures,
    { metric: 'requests.failed', operator: '==', value: 0 },
    { metric: 'connections.closed', operator: '==', value: 0 },
  ];
}

function readResults(fields: Fields, field: Field, count: number): ExpectedResult[] | undefined {
  const items = fields.list(field);
  if (!items) return undefined;
  if (items.length !== count) {
    fields.complain(field, `must have one entry per upgrade: ${count}, not ${items.length}`);
    return undefined;
  }
  const read = items.map((item) => fields.choice(item, results));
  return read.every((result) => result !== undefined) ? read : undefined;
}

/** Reads fields of a mapping by their names; undefined for one that is not there. */
export function reader(
  found: ReadonlyMap<string, Field>,
): <T>(name: string, read: (field: Field) => T) => T | undefined {
  return (name, read) => {
    const field = found.get(name);
    return field && read(field);
  };
}
