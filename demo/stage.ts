/** What a demo is given to run on. */
export interface Stage {
  /** Whether what was started is to stay until somebody ends it. */
  readonly keep: boolean;
  /** Aborted when somebody does; nothing is printed from then on. */
  readonly signal: AbortSignal;
  /** Told of each part that must be closed, in the order of start. */
  readonly onStart: (part: { close(): Promise<void> }) => void;
}
