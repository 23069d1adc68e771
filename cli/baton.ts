// Stand-in until the dispatcher is here: knows `rehearse` alone.
import { rehearse } from './rehearse.ts';

const [command, ...args] = process.argv.slice(2);
process.exitCode = command === 'rehearse' ? await rehearse(args, process) : 2;
