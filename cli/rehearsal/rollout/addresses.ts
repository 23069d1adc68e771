import { randomInt } from 'node:crypto';
import { findPort } from '../port.ts';

const attempts = 20;
const perNet = 250;

/**
 * Loopback addresses of this machine, one for each pod, on which `port` is free. Linux answers on all of 127.0.0.0/8.
 *
 * @throws `ERR_BATON_PORT_UNUSABLE` when there are none, as when somebody listens on every address
 */
export async function findAddresses(count: number, port: number): Promise<string[]> {
  for (let attempt = 1; ; attempt += 1) {
    const net = `127.${randomInt(1, 255)}.${randomInt(0, 255 - Math.floor(count / perNet))}`;
    const addresses = Array.from({ length: count }, (_, index) => addressIn(net, index));
    try {
      for (const address of addresses) await findPort(address, port);
      return addresses;
    } catch (error) {
      if (attempt === attempts) throw error;
    }
  }
}

function addressIn(net: string, index: number): string {
  const [first, second, third] = net.split('.').map(Number);
  return [first, second, (third ?? 0) + Math.floor(index / perNet), 1 + (index % perNet)].join('.');
}
