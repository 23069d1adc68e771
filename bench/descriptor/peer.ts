// The other process of the addon's loop: takes descriptors, closes them, sends one byte back, until the end.
import { close, receive, send } from '../../native/index.ts';

const socket = 3;
const into = new Uint8Array(1);

for (;;) {
  const read = receive(socket, into);
  if (read === undefined) continue;
  if (read.bytes === 0) break;
  for (const descriptor of read.descriptors) close(descriptor);
  while (send(socket, into) === undefined);
}
