/** What a handover tells while it goes on; `at` times are for the listener to take. */
export type ProgressEvent =
  /** The predecessor offered its sockets to this version (predecessor), or this process was offered them (successor). */
  | { type: 'offered'; version: string; sockets: string[] }
  /** The commit point: the successor could accept, the predecessor accepts no more. */
  | { type: 'ready'; version: string }
  /** This process accepts; `handoverMs` since it connected to its predecessor. */
  | { type: 'serving'; handoverMs?: number }
  /** A connection left, or came. */
  | { type: 'moved' | 'received'; name: string; remote: string }
  /** Nothing is left here (predecessor), or there (successor). */
  | { type: 'drained'; moved: number; finished: number; cut: number }
  /** The successor is gone or gave back: this process accepts again. */
  | { type: 'takenBack'; version: string; reason: string }
  /** This process gave back what it had taken over, because it is being ended. */
  | { type: 'givenBack'; version: string }
  /** The predecessor died; what it had not handed over is lost. */
  | { type: 'predecessorGone'; version: string; drained: boolean }
  /** A peer was refused; this process goes on as before. */
  | { type: 'refused'; code: string; message: string }
  /** The other copy runs as another user. */
  | { type: 'otherUser'; user: number };

export type Progress = (event: ProgressEvent) => void;
