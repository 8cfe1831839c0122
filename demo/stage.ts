/** Resolves with what to try while all that it started is kept running. */
export type Demo = (stage: Stage) => Promise<string>;

/** What a demo is given to run on. */
export interface Stage {
  /** Aborted when somebody ends the demo; nothing is printed from then on. */
  readonly signal: AbortSignal;
  /** Told of each part that must be closed, in the order of start. */
  readonly onStart: (part: { close(): Promise<void> }) => void;
}
