import type { SlotServerOffReason } from "./slot-server.ts";

export type SlotServerStateName = "ready" | SlotServerOffReason;

export interface SlotServerChange {
  readonly pool: string;
  /** `ip:port` */
  readonly address: string;
  readonly from: SlotServerStateName;
  readonly to: SlotServerStateName;
  /** What the server says that it should not, how its connection ended, or where it was looked for; undefined where `to` says it all. */
  readonly why: string | undefined;
}

/** For metrics and logs. Must not throw. */
export interface SlotServerObserver {
  stateChanged(change: SlotServerChange): void;
  /** It has never said what it is, and why: told once, until it has. */
  unanswered(server: Pick<SlotServerChange, "pool" | "address"> & { readonly why: string }): void;
}
