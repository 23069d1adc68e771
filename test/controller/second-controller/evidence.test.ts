import test from 'ava';
import type { Lease, Pod } from '../../../api/kubernetes.ts';
import { secondController } from '../../../controller/second-controller/evidence.ts';

const now = Date.UTC(2026, 0, 2);
const leaseOf = (change: Lease['spec'] = {}): Lease => ({
  metadata: { namespace: 'kruise-system', name: 'kruise-manager' },
  spec: {
    holderIdentity: 'manager-1_x',
    leaseDurationSeconds: 15,
    renewTime: new Date(now - 3_000).toISOString(),
    ...change,
  },
});
const podOf = (image: string, phase = 'Running'): Pod => ({
  metadata: { namespace: 'kruise-system', name: 'manager-1' },
  spec: {
    containers: [
      { name: 'proxy', image: 'proxy:1' },
      { name: 'manager', image },
    ],
  },
  status: { phase },
});

test('a pod of OpenKruise’s manager counts until it is over, wherever its image comes from', (t) => {
  const acts = (...pods: Pod[]): string | undefined => secondController({ pods, now })?.message;
  const told = 'OpenKruise’s controller runs: pod kruise-system/manager-1';
  t.is(acts(), undefined);
  t.is(acts(podOf('openkruise/kruise-manager:v1.8.0')), told);
  t.is(acts(podOf('registry:5000/mirror/kruise-manager@sha256:0', 'Pending')), told);
  t.is(acts(podOf('openkruise/kruise-manager:v1.8.0', 'Failed')), undefined);
  t.is(acts(podOf('other/operator:1'), podOf('openkruise/kruise-manager:v1.8.0', 'Succeeded')), undefined);
});

test('a Lease counts while it is held, for as long as it says after it was last seen renewed', (t) => {
  const acts = (lease: Lease, unchanged = 0): [string, number | undefined] | undefined => {
    const found = secondController({ pods: [], lease: { lease, unchanged }, now });
    return found && [found.message, found.until];
  };
  const told = 'OpenKruise’s controller leads: lease kruise-system/kruise-manager of manager-1_x';
  t.deepEqual(acts(leaseOf()), [told, 15_000]);
  t.deepEqual(acts(leaseOf(), 14_999), [told, 1]);
  t.is(acts(leaseOf(), 15_000), undefined);
  t.is(acts(leaseOf({ holderIdentity: '' })), undefined, 'it was let go');
  t.deepEqual(acts({ ...leaseOf(), spec: { holderIdentity: 'manager-1_x' } }), [told, 15_000]);
  // The clocks of nodes differ by less than this: what is older was left behind by an OpenKruise that is gone.
  t.deepEqual(acts(leaseOf({ renewTime: new Date(now - 600_000).toISOString() })), [told, 15_000]);
  t.is(acts(leaseOf({ renewTime: new Date(now - 600_001).toISOString() })), undefined);
});
