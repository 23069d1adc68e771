/** What the dashboard's variables leave, as label matchers: everything; metrics of sets; metrics of nodes. */
export const home = 'namespace=~"$namespace"';
export const set = `${home}, sidecarset=~"$sidecarset"`;
export const node = `${home}, node=~"$node"`;
/** The range of a rate. */
export const every = '[$__rate_interval]';

/** Median and 99th percentile of a histogram, with their legends. */
export const quantiles = (metric: string, labels: string, by = ''): [string, string][] =>
  [0.5, 0.99].map((share) => [
    `histogram_quantile(${share}, sum by (${['le', by].filter(Boolean).join(', ')}) (rate(${metric}_bucket{${labels}}${every})))`,
    `${by && `{{${by}}} `}p${share * 100}`,
  ]);

/** What every process has, of Baton's alone; job and instance are labels that Prometheus gives every series. */
export const ofBaton = (expression: string): string =>
  `${expression} and on (job, instance) (baton_leader{${home}} or baton_node_pods{${home}})`;

export const good = [0, 'green'] as const;
export const anyIsBad = [good, [1, 'red']] as const;
