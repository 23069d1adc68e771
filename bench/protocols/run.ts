import { parseArgs } from 'node:util';
import { isUsageError, numberOption, UsageError } from '../../cli/options.ts';
import { protocols, type Protocol } from './clients.ts';
import { usual } from './index.ts';
import { printProtocols } from './print.ts';

const help = `Usage: npx tsx bench/protocols/run.ts [OPTIONS] [PROTOCOL...]

The same upgrades for each protocol, under the same load: ${protocols.join(', ')}.

Options:
  --upgrades N      in a row (default ${usual.upgrades})
  --connections N   each of a client that asks one question at a time (default ${usual.connections})
  --rate N          questions per second, over all connections (default ${usual.rate})
  --help            this text

What the columns say:
  pause             the longest that any client waited for its answer; the median over the upgrades, each looked at from
                    the start of the new process
  p99               of such waits; the median over the upgrades. A wait counts from the moment when its question was due
  before            the same in the stretch of the same length just before each upgrade
  moved / s         connections that moved, by the time from the new process's serving to the old one's drained
  closed            connections that the server ended, or said that it will
  retried           questions that the server had not looked at (HTTP/2's REFUSED_STREAM) and that were asked again

Where "before" is far above the other rows', the processor could not keep up with that protocol: take a lower --rate.
`;

const isProtocol = (name: string): name is Protocol => (protocols as string[]).includes(name);

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      upgrades: { type: 'string', default: String(usual.upgrades) },
      connections: { type: 'string', default: String(usual.connections) },
      rate: { type: 'string', default: String(usual.rate) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const chosen = positionals.map((name) => {
    if (!isProtocol(name)) throw new UsageError(`there is no protocol ${name}; there are ${protocols.join(', ')}`);
    return name;
  });
  const [upgrades, connections, rate] = (['upgrades', 'connections', 'rate'] as const).map((option) =>
    numberOption(`--${option}`, values[option]),
  ) as [number, number, number];
  await printProtocols(chosen.length > 0 ? chosen : protocols, { ...usual, upgrades, connections, rate });
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  if (!isUsageError(error)) throw error;
  console.error(error.message);
  process.exitCode = 2;
});
