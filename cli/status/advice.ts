import type { SetReport } from './report.ts';

/** What to do next about a rollout that does not end by itself; the commands are for a shell. */
export function adviceFor(report: Omit<SetReport, 'next'>): string[] {
  const { name, state, observed, generation, phases, halted, troubles, conditions } = report;
  const degraded = conditions.find(({ type }) => type === 'Degraded');
  const patch = (fields: string): string =>
    `kubectl patch sidecarset ${name} --type merge --patch '{"spec":{"updateStrategy":{${fields}}}}'`;
  const isDegraded = (reason: string): boolean => degraded?.status === 'True' && degraded.reason === reason;
  const [first] = troubles;
  const look = first ? `kubectl describe pod --namespace ${first.namespace} ${first.name}` : '';
  const lines: [boolean, string][] = [
    [
      !observed,
      `the controller has not seen generation ${generation} yet: if this stays, look at its pods with ` +
        'kubectl get pods --all-namespaces --selector app.kubernetes.io/name=baton',
    ],
    [
      halted !== undefined,
      `see why pods failed (${look}), then publish another version, or try them again with ` +
        `kubectl annotate sidecarset ${name} --overwrite baton.dev/resume="$(date +%s)"`,
    ],
    [
      halted === undefined && phases.failed !== undefined,
      `see why (${look}); a failed pod is tried again with another version, or with another value of baton.dev/resume`,
    ],
    [
      phases.noAgent !== undefined || isDegraded('NoAgent'),
      'see which node lacks its agent with kubectl get pods --all-namespaces --output wide ' +
        '--selector app.kubernetes.io/name=baton,app.kubernetes.io/component=agent',
    ],
    [phases.blocked !== undefined, `look at the pods that are blocked: ${look}`],
    [
      phases.notUpgradable !== undefined,
      'more than images changed: the new spec comes with new pods; restart what they belong to with kubectl rollout restart',
    ],
    [
      isDegraded('NotInjected'),
      'pods missed the webhook: restart what they belong to with kubectl rollout restart, and they are injected',
    ],
    [state === 'Paused', `go on with ${patch('"paused":false')}`],
    [state === 'Partition', `update the others with ${patch('"partition":0')}`],
    [state === 'NotUpdate', `let it update pods with ${patch('"type":"RollingUpdate"')}`],
  ];
  return lines.filter(([applies]) => applies).map(([, text]) => text);
}
