/** What one panel of the dashboard shows; see {@link panelJson}. */
export interface Panel {
  title: string;
  /** What it tells, and when to worry. */
  description: string;
  kind: 'stat' | 'lines' | 'stack' | 'bars' | 'gauge';
  /** One of Grafana's: `short`, `s`, `percentunit`, `reqps`, `bytes`. */
  unit: string;
  /** PromQL, and how a series of it is called. */
  queries: readonly (readonly [expr: string, legend: string])[];
  /** Of 24. */
  width: number;
  /** From which value on it has which colour; the first one's value does not matter. */
  colours?: readonly (readonly [from: number, colour: string])[];
  /** One panel for each value of this variable. */
  repeat?: string;
}

export interface Row {
  title: string;
  /** Of each panel. */
  height: number;
  panels: readonly Panel[];
}

const COLUMNS = 24;
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** The panels of all rows as Grafana's JSON, one below the other, from left to right. */
export function layOut(rows: readonly Row[]): object[] {
  const laid: object[] = [];
  let y = 0;
  for (const { title, height, panels } of rows) {
    laid.push({
      id: laid.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    for (const panel of panels) {
      if (x + panel.width > COLUMNS) [x, y] = [0, y + height];
      laid.push(panelJson(panel, laid.length + 1, { x, y, w: panel.width, h: height }));
      x += panel.width;
    }
    y += height;
  }
  return laid;
}

function panelJson(panel: Panel, id: number, gridPos: object): object {
  const { title, description, kind, unit, queries, colours = [[0, 'green']], repeat } = panel;
  const [[, base] = [0, 'green'], ...more] = colours;
  const steps = [{ color: base, value: null }, ...more.map(([value, color]) => ({ color, value }))];
  // A value that is worth a colour is worth a line in a chart.
  const custom = { ...CUSTOM[kind], ...(more.length > 0 && kind in CUSTOM && { thresholdsStyle: { mode: 'line' } }) };
  const color = { mode: kind in CUSTOM ? 'palette-classic' : 'thresholds' };
  const limits = kind === 'gauge' ? { min: 0, max: 1 } : kind === 'stat' ? {} : { min: 0 };
  return {
    id,
    type: TYPES[kind],
    title,
    description,
    datasource: DATASOURCE,
    gridPos,
    ...(repeat !== undefined && { repeat, repeatDirection: 'h', maxPerRow: 3 }),
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
      ...(kind in CUSTOM ? { range: true } : { instant: true }),
    })),
    fieldConfig: {
      defaults: { unit, color, ...limits, noValue: '-', thresholds: { mode: 'absolute', steps }, custom },
      overrides: [],
    },
    options: OPTIONS[kind],
  };
}

const TYPES = {
  stat: 'stat',
  gauge: 'bargauge',
  lines: 'timeseries',
  stack: 'timeseries',
  bars: 'timeseries',
} as const;

/** Of charts over time. */
const CUSTOM: Partial<Record<Panel['kind'], object>> = {
  lines: { drawStyle: 'line', lineWidth: 1, fillOpacity: 5, showPoints: 'auto', spanNulls: false },
  stack: { drawStyle: 'line', lineWidth: 1, fillOpacity: 40, showPoints: 'never', stacking: { mode: 'normal' } },
  bars: { drawStyle: 'bars', lineWidth: 1, fillOpacity: 70, stacking: { mode: 'normal' } },
};

const chart = {
  legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
  tooltip: { mode: 'multi', sort: 'desc' },
};
const reduced = { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } };
const OPTIONS: Record<Panel['kind'], object> = {
  stat: { ...reduced, colorMode: 'background', graphMode: 'none', textMode: 'auto' },
  gauge: { ...reduced, displayMode: 'basic', orientation: 'horizontal', valueMode: 'color' },
  lines: chart,
  stack: chart,
  bars: chart,
};
