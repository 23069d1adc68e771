/** Something that is done again whenever its surroundings change. */
export interface Loop {
  /** Something changed. However often this is said while the action runs, it runs once more. */
  wake(): void;
  /** Resolves when the action that runs now is over; none begins after. */
  stop(): Promise<void>;
}

/**
 * Runs `act` at once, after each {@link Loop.wake}, and at the moment that it answered (milliseconds since the epoch), never
 * twice at once. The first error ends the loop.
 */
export function startLoop(act: () => Promise<number | undefined>, onError: (error: Error) => void): Loop {
  let isChanged = true;
  let isOver = false;
  let rouse: () => void = () => undefined;

  const rest = async (until: number | undefined): Promise<void> => {
    await new Promise<void>((resolve) => {
      const timer = until === undefined ? undefined : setTimeout(resolve, Math.max(0, until - Date.now()));
      rouse = () => {
        clearTimeout(timer);
        resolve();
      };
      if (isChanged) rouse();
    });
  };

  const hasEnded = (): boolean => isOver;
  const run = async (): Promise<void> => {
    while (!hasEnded()) {
      isChanged = false;
      await rest(await act());
    }
  };
  const running = run().catch((error: unknown) => onError(error instanceof Error ? error : new Error(String(error))));

  const wake = (): void => {
    isChanged = true;
    rouse();
  };
  return {
    wake,
    async stop() {
      isOver = true;
      wake();
      await running;
    },
  };
}
