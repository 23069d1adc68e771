import * as native from '../native/index.ts';
import type { Channel } from './channel.ts';
import type { Counts } from './counts.ts';

/*
 * Counts change hands between two processes of which either may die at any moment, and the line between them may break
 * while both live. So what is given away is lent first. The borrower keeps one end of a socket pair open for as long as
 * the counts are its own, and sends the other to the lender: when that one ends, the borrower is dead, and the lender
 * counts on with what it had lent. What the borrower has settled (it left the process, and must not be counted again) is
 * written into the pair, where neither a broken line nor death takes it back.
 */

/** The length of an id in the socket pair. */
export const ID_BYTES = 4;

/** One key's counts on their way. */
export interface Parcel {
  id: number;
  key: string;
  bytes: Buffer;
}

/** What a process has lent; see {@link openLoan}. */
export interface Loan {
  /** The borrower's. */
  readonly version: string;
  /** Takes what is counted by now. It is lent from here on, and must be sent. */
  take(): Parcel[];
  /** Sends it; what the line does not take is counted here again. */
  send(channel: Channel, parcels: readonly Parcel[]): void;
  /** The borrower gave a key back with everything in it. */
  returned(key: string): void;
  /** The line is over: from now on the borrower's death is looked for. */
  watch(): void;
  /** Reads what was settled; where the borrower is dead, all else is counted here again. */
  collect(): void;
  /** Forgets what was lent. */
  close(): void;
}

/**
 * Lends those of these keys' counts that there are, among the other loans of this process while its borrower lives. The borrower sent `token`, which
 * is the loan's from now on; with one that is no such socket, nothing is ever lent.
 */
export function openLoan(
  loans: Set<Loan>,
  token: number,
  { version, keys, counts }: { version: string; keys: readonly string[]; counts: Counts },
): Loan {
  const lent = new Map<number, Parcel>();
  const buffer = Buffer.alloc(1024 * ID_BYTES);
  let watcher: native.Watcher | undefined;
  let open = true;
  let next = 1;

  const close = (): void => {
    if (!open) return;
    open = false;
    loans.delete(loan);
    watcher?.close();
    native.close(token);
  };

  const recover = ({ id, key, bytes }: Parcel): void => {
    if (lent.delete(id)) counts.recover(key, bytes);
  };

  /** Whether the borrower lives. */
  const read = (): boolean => {
    try {
      for (let got = native.receive(token, buffer, 0); got; got = native.receive(token, buffer, 0)) {
        if (got.bytes === 0) return false;
        for (let at = 0; at + ID_BYTES <= got.bytes; at += ID_BYTES) lent.delete(buffer.readUInt32BE(at));
      }
      return true;
    } catch {
      return false;
    }
  };

  const collect = (): void => {
    if (!open || read()) return;
    close();
    for (const parcel of [...lent.values()]) recover(parcel);
  };

  const loan: Loan = {
    version,
    take() {
      watcher?.close();
      watcher = undefined;
      const parcels: Parcel[] = [];
      for (const key of open ? counts.keys() : []) {
        if (!keys.includes(key)) continue;
        const bytes = counts.take(key);
        if (bytes) parcels.push({ id: next++, key, bytes });
      }
      for (const parcel of parcels) lent.set(parcel.id, parcel);
      return parcels;
    },
    send(channel, parcels) {
      for (const parcel of parcels) {
        const { id, key, bytes } = parcel;
        channel.send({ type: 'final', key, bytes: bytes.toString('base64'), id }, [], (error) => {
          if (error) recover(parcel);
        });
      }
    },
    returned(key) {
      for (const parcel of [...lent.values()]) if (parcel.key === key) lent.delete(parcel.id);
    },
    watch() {
      collect();
      if (open) watcher ??= native.watch(token, { readable: true }, collect);
    },
    collect,
    close,
  };
  loans.add(loan);
  return loan;
}
