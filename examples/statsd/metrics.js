/** Counters (`hits:1|c`, sampled `hits:1|c|@0.1`) and gauges (`temperature:21.5|g`), several lines in a datagram. */
export function createMetrics() {
  const counters = new Map();
  const gauges = new Map();
  const count = (name, value) => counters.set(name, (counters.get(name) ?? 0) + value);
  const empty = (map) => {
    const entries = Object.fromEntries(map);
    map.clear();
    return entries;
  };

  return {
    read(datagram) {
      for (const line of String(datagram).split('\n')) {
        const [, name, value, type, rate] = /^([^:|@]+):(-?[\d.]+)\|([cg])(?:\|@([\d.]+))?$/.exec(line.trim()) ?? [];
        if (type === 'c') count(name, Number(value) / Number(rate ?? 1));
        else if (type === 'g') gauges.set(name, Number(value));
      }
    },
    /** What there is since the last flush; gauges keep their value. */
    flush: () => ({ counters: empty(counters), gauges: Object.fromEntries(gauges) }),
    counters: {
      take: () => Buffer.from(counters.size > 0 ? JSON.stringify(empty(counters)) : ''),
      merge(bytes) {
        for (const [name, value] of Object.entries(JSON.parse(Buffer.from(bytes).toString()))) count(name, value);
      },
    },
    gauges: {
      take: () => Buffer.from(gauges.size > 0 ? JSON.stringify(empty(gauges)) : ''),
      // A value that came here is newer than any of the other version.
      merge(bytes) {
        for (const [name, value] of Object.entries(JSON.parse(Buffer.from(bytes).toString()))) {
          if (!gauges.has(name)) gauges.set(name, value);
        }
      },
    },
  };
}
