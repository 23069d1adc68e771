// Preloaded into a sidecar: ends or stops the process exactly at a frame of the handover (channel `baton:frame`).
import { subscribe } from 'node:diagnostics_channel';

const { BATON_TEST_FAULT: fault = '' } = process.env;
const [, direction, type, count = '1', signal] = /^(sent|received) (\w+)(?:#(\d+))?:(SIG\w+)$/.exec(fault) ?? [];
if (!signal) throw new Error(`BATON_TEST_FAULT is malformed: ${fault}`);

let seen = 0;
subscribe('baton:frame', (frame) => {
  if (frame.direction === direction && frame.type === type && ++seen === Number(count))
    process.kill(process.pid, signal);
});
