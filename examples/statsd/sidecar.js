// Collects metrics over UDP as statsd does, and prints a line of JSON at each flush. Over an upgrade no datagram is lost,
// and each count is printed once: by the old version, or by the new one that took it over.
import { createSocket } from 'node:dgram';
import { setInterval } from 'node:timers';
import { createSidecar } from 'baton-sidecar';
import { createMetrics } from './metrics.js';

const { HOST = '127.0.0.1', PORT = '8125', FLUSH_MS = '10000', SIDECARSET_VERSION: version = '1' } = process.env;
const metrics = createMetrics();

const sidecar = await createSidecar({ name: 'statsd' });
sidecar.counts.share('counters', metrics.counters);
sidecar.counts.share('gauges', metrics.gauges);

function flush() {
  const { counters, gauges } = metrics.flush();
  if (Object.keys(counters).length === 0 && Object.keys(gauges).length === 0) return;
  console.log(JSON.stringify({ version, counters, gauges }));
  // The counters have left: if this version dies, the old one must not print them again.
  sidecar.counts.settle('counters');
}

await sidecar.serve(
  () => createSocket({ type: 'udp4', recvBufferSize: 1_000_000 }).on('message', (datagram) => metrics.read(datagram)),
  { host: HOST, port: Number(PORT) },
);
await sidecar.ready();
setInterval(flush, Number(FLUSH_MS));
process.on('exit', flush);
console.log(`version ${version} serves port ${PORT}`);
