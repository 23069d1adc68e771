/*
 * What a predecessor does with one successor, as a table: pure, so that every order of events can be tried. The one
 * thing that matters in it: a predecessor accepts connections in every phase but `handed`.
 */

/** How far one successor got. */
export type Phase = 'greeting' | 'offered' | 'handed' | 'returning' | 'over';

/** What happens to a session. `hello` is told apart: a successor that serves already comes back after a broken line. */
export type SessionEvent = 'hello' | 'hello-serving' | 'ready' | 'back' | 'drained' | 'ended' | 'unexpected';

/** What the predecessor is to do, in this order. */
export type Command = 'offer' | 'hand-over' | 'take-back' | 'say-resumed' | 'refuse';

const TABLE: Record<Phase, Partial<Record<SessionEvent, [Phase, ...Command[]]>>> = {
  greeting: { hello: ['offered', 'offer'], 'hello-serving': ['handed', 'hand-over'], ended: ['over'] },
  offered: { ready: ['handed', 'hand-over'], ended: ['over'] },
  handed: { back: ['returning', 'take-back', 'say-resumed'], ended: ['over', 'take-back'] },
  returning: { drained: ['returning'], ended: ['over'] },
  over: { ended: ['over'] },
};

/** The next phase and the commands that lead there. What a phase does not expect is refused, and ends the session. */
export function advance(phase: Phase, event: SessionEvent): { phase: Phase; commands: Command[] } {
  const row = TABLE[phase][event];
  if (row) {
    const [next, ...commands] = row;
    return { phase: next, commands };
  }
  if (phase === 'over') return { phase, commands: [] };
  return { phase: 'over', commands: phase === 'handed' ? ['refuse', 'take-back'] : ['refuse'] };
}

/** Whether the predecessor accepts new connections itself. */
export const accepts = (phase: Phase): boolean => phase !== 'handed';
