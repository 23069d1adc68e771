import test from 'ava';
import { accepts, advance, type Command, type Phase, type SessionEvent } from '../../sdk/session.ts';

const events: SessionEvent[] = ['hello', 'hello-serving', 'ready', 'back', 'drained', 'ended', 'unexpected'];

/** What a table cannot show: whether the predecessor's servers run, as the commands leave them. */
interface Model {
  phase: Phase;
  running: boolean;
  handovers: number;
  takebacks: number;
}

const start: Model = { phase: 'greeting', running: true, handovers: 0, takebacks: 0 };

const follow = (model: Model, event: SessionEvent): { model: Model; commands: Command[] } => {
  const { phase, commands } = advance(model.phase, event);
  const next = { ...model, phase };
  for (const command of commands) {
    if (command === 'hand-over') Object.assign(next, { running: false, handovers: next.handovers + 1 });
    if (command === 'take-back') Object.assign(next, { running: true, takebacks: next.takebacks + 1 });
  }
  return { model: next, commands };
};

test('every order of seven events: what is said of the phases is true', (t) => {
  let tried = 0;
  const explore = (before: Model, depth: number): void => {
    for (const event of events) {
      const { model, commands } = follow(before, event);
      const where = `${before.phase} ${event} -> ${model.phase} ${commands.join()}`;
      tried += 1;
      if (model.running !== accepts(model.phase))
        t.fail(`it does not accept where it should, or the reverse: ${where}`);
      if (model.takebacks > model.handovers) t.fail(`a take-back of nothing: ${where}`);
      if (model.handovers > 1) t.fail(`handed over twice: ${where}`);
      if (before.phase === 'over' && (model.phase !== 'over' || commands.length > 0)) t.fail(`over is final: ${where}`);
      if (event === 'ended' && model.phase !== 'over') t.fail(`an end is an end: ${where}`);
      if (event === 'unexpected' && model.phase !== 'over') t.fail(`what is unexpected ends it: ${where}`);
      if (commands.includes('refuse') && model.phase !== 'over') t.fail(`refused and not over: ${where}`);
      if (commands.includes('offer') && before.phase !== 'greeting') t.fail(`offered twice: ${where}`);
      if (depth > 1) explore(model, depth - 1);
    }
  };
  explore(start, 7);
  t.is(
    tried,
    Array.from({ length: 7 }, (_, index) => events.length ** (index + 1)).reduce((a, b) => a + b),
  );
});

test('the way of a handover, of a return, and of a line that was mended', (t) => {
  const walk = (...way: SessionEvent[]): [Phase, Command[]] => {
    let model = start;
    const all: Command[] = [];
    for (const event of way) {
      const step = follow(model, event);
      ({ model } = step);
      all.push(...step.commands);
    }
    return [model.phase, all];
  };
  t.deepEqual(walk('hello', 'ready'), ['handed', ['offer', 'hand-over']]);
  t.deepEqual(walk('hello', 'ready', 'ended'), ['over', ['offer', 'hand-over', 'take-back']]);
  t.deepEqual(walk('hello', 'ready', 'back', 'drained', 'ended'), [
    'over',
    ['offer', 'hand-over', 'take-back', 'say-resumed'],
  ]);
  t.deepEqual(walk('hello-serving', 'ended'), ['over', ['hand-over', 'take-back']]);
  t.deepEqual(walk('hello', 'ended'), ['over', ['offer']]);
  t.deepEqual(walk('hello', 'ready', 'unexpected'), ['over', ['offer', 'hand-over', 'refuse', 'take-back']]);
  t.deepEqual(walk('ready'), ['over', ['refuse']]);
});
