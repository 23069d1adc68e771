/** One figure of the report that must satisfy a comparison. */
export interface Expectation<M extends string = Metric> extends Comparison {
  metric: M;
}

export interface Comparison {
  operator: Operator;
  value: number;
}

const operators = ['<=', '>=', '==', '<', '>'] as const;
type Operator = (typeof operators)[number];

/** The figures that a scenario can name. */
export const metrics = [
  'requests.total',
  'requests.failed',
  'connections.opened',
  'connections.refused',
  'connections.closed',
  'connections.moved',
  'latency.before.p50',
  'latency.before.p99',
  'latency.during.p50',
  'latency.during.p99',
  'latency.after.p50',
  'latency.after.p99',
] as const;
export type Metric = (typeof metrics)[number];

/** How an expectation came out. */
export interface Verdict {
  what: string;
  expected: string;
  actual: string;
  met: boolean;
}

/** Reads `0`, `">= 100"`, `"< 50"`; `null` for `any`, undefined for anything else. */
export function parseComparison(value: unknown): Comparison | null | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return { operator: '==', value };
  if (typeof value !== 'string') return undefined;
  if (value.trim() === 'any') return null;
  const match = /^(<=|>=|==|<|>)?\s*(\d+(?:\.\d+)?)$/.exec(value.trim());
  if (!match) return undefined;
  const operator = operators.find((known) => known === match[1]) ?? '==';
  return { operator, value: Number(match[2]) };
}

/** Holds each expectation against its figure; a figure that was not measured meets none. */
export function judge<M extends string>(
  expectations: readonly Expectation<M>[],
  figure: (metric: M) => number | null,
): Verdict[] {
  return expectations.map(({ metric, ...comparison }) => judgeFigure(metric, figure(metric), comparison));
}

/** Holds one figure against a comparison. */
export function judgeFigure(what: string, actual: number | null, { operator, value }: Comparison): Verdict {
  return {
    what,
    expected: operator === '==' ? String(value) : `${operator} ${value}`,
    actual: actual === null ? 'not measured' : String(actual),
    met: actual !== null && compare(actual, operator, value),
  };
}

function compare(actual: number, operator: Operator, value: number): boolean {
  switch (operator) {
    case '==':
      return actual === value;
    case '<':
      return actual < value;
    case '<=':
      return actual <= value;
    case '>':
      return actual > value;
    case '>=':
      return actual >= value;
  }
}
