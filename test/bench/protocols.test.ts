import test from 'ava';
import { protocols } from '../../bench/protocols/clients.ts';
import { figuresOf } from '../../bench/protocols/figures.ts';
import { measure } from '../../bench/protocols/index.ts';
import { slots } from '../helpers/slots.ts';

const slot = slots(2);
const MOVING = ['http', 'tcp', 'websocket'];

for (const protocol of protocols) {
  test(`${protocol}: an upgrade yields figures`, (t) =>
    slot(async () => {
      const figures = await measure(protocol, { upgrades: 1, connections: 5, rate: 100, stretchMs: 300 });
      const { pause, p99, drainMs, movedPerSecond, answered, failures } = figures;
      for (const value of [pause.before, pause.during, p99.before, p99.during, drainMs]) t.true(Number.isFinite(value));
      t.is(Number.isFinite(movedPerSecond), MOVING.includes(protocol));
      t.true(answered > 0);
      t.deepEqual(failures, []);
    }));
}

test('a wait belongs to the stretch in which its question was due', (t) => {
  const waits: [number, number][] = [
    [50, 900],
    [100, 1],
    [199, 40],
    [200, 2],
    [299, 70],
    [300, 800],
  ];
  const counts = { failures: [], retried: 1, closed: 2 };
  const upgrade = { quiet: 100, from: 200, to: 300, moved: 10, drainMs: 5 };
  t.deepEqual(figuresOf([upgrade], { waits, ...counts }), {
    pause: { before: 40, during: 70 },
    p99: { before: 40, during: 70 },
    movedPerSecond: 2000,
    drainMs: 5,
    answered: 6,
    ...counts,
  });
  t.like(figuresOf([{ ...upgrade, moved: 0 }], { waits, ...counts }), { movedPerSecond: undefined });
});
