import * as native from '../native/index.ts';
import type { Channel } from './channel.ts';
import type { Counts } from './counts.ts';
import { codeOf } from './errors.ts';
import { ID_BYTES, type Parcel } from './loan.ts';
import type { Message } from './messages.ts';

/** What a process has borrowed; see {@link openDebt}. */
export interface Debt {
  /** These counts were merged here. */
  took(parcel: Pick<Parcel, 'id' | 'key'>): void;
  /** What was merged under a key until now never goes back to the lender. */
  settle(key: string): void;
  /** Gives everything back that is not settled. The death of the process does the same. */
  close(): void;
}

/** A debt, among the others of this process while its lender lives, and the token for the lender; it is the caller's. */
export function openDebt(debts: Set<Debt>): { debt: Debt; token: number } {
  const [mine, token] = native.socketPair();
  const unsettled = new Map<number, string>();
  let open = true;

  const close = (): void => {
    if (!open) return;
    open = false;
    debts.delete(debt);
    watcher.close();
    native.close(mine);
  };
  // The lender says nothing here: it is readable when that one is dead.
  const watcher = native.watch(mine, { readable: true }, close);

  const tell = (id: number): boolean => {
    const bytes = Buffer.alloc(ID_BYTES);
    bytes.writeUInt32BE(id);
    try {
      return native.send(mine, bytes) !== undefined;
    } catch {
      // The lender is dead, and can count nothing again.
      return true;
    }
  };

  const debt: Debt = {
    took: ({ id, key }) => void unsettled.set(id, key),
    settle(key) {
      if (!open) return;
      for (const [id, own] of [...unsettled]) if (own === key && tell(id)) unsettled.delete(id);
    },
    close,
  };
  debts.add(debt);
  return { debt, token };
}

/**
 * Says `ready` or `resumed`, and asks for the counts that can be merged here. The debt is what will come of it; `undefined`
 * where nothing is counted, or no descriptor is left: then counts stay where they are.
 */
export function borrow(
  channel: Channel,
  message: Extract<Message, { type: 'ready' | 'resumed' }>,
  { counts, debts }: { counts: Counts; debts: Set<Debt> },
): Debt | undefined {
  const keys = counts.keys();
  const opened = keys.length > 0 ? tryOpen(debts) : undefined;
  if (!opened) {
    channel.send(message);
    return undefined;
  }
  const { debt, token } = opened;
  channel.send({ ...message, counts: keys }, [token], () => native.close(token));
  return debt;
}

const tryOpen = (debts: Set<Debt>): ReturnType<typeof openDebt> | undefined => {
  try {
    return openDebt(debts);
  } catch (error) {
    if (codeOf(error) === 'EMFILE') return undefined;
    throw error;
  }
};

/** Merges what a lender sent; `false` for something that was not asked for. */
export function receiveCounts(
  counts: Counts,
  { key, id, bytes }: Extract<Message, { type: 'final' }>,
  debt: Debt | undefined,
): boolean {
  if (!debt || id === undefined || !counts.keys().includes(key)) return false;
  counts.recover(key, Buffer.from(bytes, 'base64'));
  debt.took({ id, key });
  return true;
}
