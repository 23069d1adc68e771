import test from 'ava';
import fc from 'fast-check';
import * as native from '../../native/index.ts';
import type { Channel } from '../../sdk/channel.ts';
import { createCounts, type Counts } from '../../sdk/counts.ts';
import { openDebt, type Debt } from '../../sdk/debt.ts';
import { openLoan, type Loan, type Parcel } from '../../sdk/loan.ts';
import type { Message } from '../../sdk/messages.ts';
import { until } from '../helpers/processes.ts';
import { openSockets } from '../native/helpers.ts';

interface Process {
  counts: Counts;
  /** What it has to its credit, and how much of that it counted itself. */
  total: number;
  own: number;
}

function createProcess(): Process {
  const process: Process = { counts: createCounts(), total: 0, own: 0 };
  process.counts.share('hits', {
    take() {
      const bytes = Buffer.from(process.total > 0 ? String(process.total) : '');
      Object.assign(process, { total: 0, own: 0 });
      return bytes;
    },
    merge(bytes) {
      process.total += Number(Buffer.from(bytes).toString());
    },
  });
  return process;
}

type Final = Extract<Message, { type: 'final' }>;
const bytesOf = ({ bytes }: Final): Buffer => Buffer.from(bytes, 'base64');
const parcelOf = ({ id, key }: Final): Pick<Parcel, 'id' | 'key'> => ({ id: id as number, key });

/** A line that delivers into an inbox, or is broken. */
const lineTo = (inbox: Final[], whole: boolean): Channel => ({
  peer: { pid: 0, uid: 0, gid: 0 },
  send(message, _, written) {
    if (whole) inbox.push(message as Final);
    written?.(whole ? undefined : new Error('broken'));
  },
  close: () => undefined,
});

type Step =
  'count' | 'count there' | 'give' | 'give in vain' | 'hear' | 'settle' | 'break' | 'return' | 'return in vain' | 'die';
const steps: Step[] = [
  'count',
  'count there',
  'give',
  'give in vain',
  'hear',
  'settle',
  'break',
  'return',
  'return in vain',
];

test('whatever happens to a borrower and to the line, nothing is lost but what died in it, and nothing counts twice', (t) => {
  const before = openSockets();
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...steps), { maxLength: 40 }), fc.boolean(), (way, dies) => {
      const [lender, borrower] = [createProcess(), createProcess()];
      const loans = new Set<Loan>();
      const debts = new Set<Debt>();
      const [there, here]: [Final[], Final[]] = [[], []];
      const { debt, token } = openDebt(debts);
      const loan = openLoan(loans, token, { version: '2', keys: ['hits'], counts: lender.counts });
      const back = openDebt(debts);
      const returned = openLoan(loans, back.token, { version: '1', keys: ['hits'], counts: borrower.counts });
      let counted = 0;
      let flushed = 0;

      const hear = (): void => {
        for (const final of there.splice(0)) {
          borrower.counts.merge(final.key, bytesOf(final));
          debt.took(parcelOf(final));
        }
        for (const final of here.splice(0)) {
          loan.returned(final.key);
          lender.counts.merge(final.key, bytesOf(final));
          back.debt.took(parcelOf(final));
        }
      };
      const act: Record<Step, () => void> = {
        count() {
          counted += 1;
          lender.total += 1;
        },
        'count there'() {
          counted += 1;
          borrower.total += 1;
          borrower.own += 1;
        },
        // Who takes back gives nothing more: what comes back is heard before the next handover.
        give() {
          hear();
          loan.send(lineTo(there, true), loan.take());
        },
        'give in vain'() {
          hear();
          loan.send(lineTo(there, false), loan.take());
        },
        hear,
        settle() {
          flushed += borrower.total;
          Object.assign(borrower, { total: 0, own: 0 });
          debt.settle('hits');
        },
        break: () => loan.watch(),
        return() {
          // Everything that was said before is heard before.
          hear();
          returned.send(lineTo(here, true), returned.take());
        },
        'return in vain'() {
          hear();
          const { own } = borrower;
          returned.send(lineTo(here, false), returned.take());
          borrower.own = own;
        },
        die() {
          // What it said before it died is heard before its death.
          there.length = 0;
          hear();
          counted -= borrower.own;
          borrower.total = 0;
          debt.close();
          loan.collect();
        },
      };
      for (const step of way) act[step]();
      if (dies) act.die();
      hear();
      const sum = lender.total + borrower.total + flushed;
      for (const one of [...loans, ...debts]) one.close();
      return sum === counted;
    }),
    { numRuns: 2000 },
  );
  t.is(openSockets(), before);
});

test('a broken line tells nothing: counts come back when the borrower dies, and not before', async (t) => {
  const [lender, borrower] = [createProcess(), createProcess()];
  const { debt, token } = openDebt(new Set());
  const loan = openLoan(new Set(), token, { version: '2', keys: ['hits', 'unknown'], counts: lender.counts });
  t.teardown(() => loan.close());
  lender.total = 5;
  const inbox: Final[] = [];
  loan.send(lineTo(inbox, true), loan.take());
  t.is(inbox.length, 1);
  loan.watch();
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.is(lender.total, 0);
  borrower.counts.merge('hits', bytesOf(inbox[0] as Final));
  debt.close();
  await until('the counts are back', () => lender.total === 5);
});

test('a token that is no socket of ours lends nothing', (t) => {
  const lender = createProcess();
  lender.total = 5;
  for (const token of [
    native.bindUdp({ host: '127.0.0.1', port: 0 }),
    native.listenTcp({ host: '127.0.0.1', port: 0, backlog: 1 }),
  ]) {
    const loan = openLoan(new Set(), token, { version: '2', keys: ['hits'], counts: lender.counts });
    loan.collect();
    t.notThrows(() => loan.watch());
    t.is(lender.total, 5);
    loan.close();
  }
});
