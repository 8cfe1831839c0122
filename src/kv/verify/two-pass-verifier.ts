/**
 * Verifies what an engine reported. The engine answers before it has written and reports no checksum, so all there is to judge by
 * is the bytes, and time.
 *
 * A segment becomes durable when
 * - none of its blocks is all zero, in two reads of all of it, `quietMs` or more apart, of one object and with one CRC-32;
 * - the engine is, after the second read, the process that it was at the plan (unless `engine` is `none`);
 * - the object was then synced under that name.
 * Until the bytes are so, reads are repeated for `settleMaxMs`; two are made whatever the clock says. The stat that is recorded
 * was taken before the first of the two reads, so that any write after them has a later time, also where the store tells time
 * in steps as long as a read takes. A write just before them then costs one recheck, which finds nothing.
 *
 * Guaranteed, then: what was never written is not listed, wherever it fills a block; and what a recheck calls `ok` are the bytes
 * that were verified: one flipped bit always shows in the CRC, and a change at random is missed once in 2^32. Rejected: going by
 * the file's times alone, which a write through a mapping moves late.
 *
 * Not seen:
 * - a writer that stops for longer than `quietMs` inside a block of which it wrote more than zeros, while its process lives on:
 *   both reads agree on the torn block. When the rest comes after all, the stat and the CRC differ and a recheck finds it; when
 *   it never comes, nothing does. A writer that stops between two blocks is seen;
 * - a restart that the probe does not tell, and with `engine` `none` any: then the same holds of a writer that died in a block;
 * - wrong bytes, written whole: nothing says what they should be;
 * - for elements of 8 bits, an edge of the segment shorter than one token in one plane (see `nonzeroBlocks`);
 * - what another host has written and still caches. It reads as zeros here, so such a segment is dropped;
 * - a disk that loses what it said it synced, as long as reads are answered from the page cache. The scrubber finds it later.
 */
import type { Clock, Scheduler } from "../../clock.ts";
import type { Verdict } from "../catalog.ts";
import { LocationFault } from "../location.ts";
import { nonzeroBlocks } from "../model/nonzero-blocks.ts";
import type { EngineInstance } from "../records.ts";
import { PassGate } from "./pass-gate.ts";
import { pause } from "./pause.ts";
import { passProblem, readSegment, recheckSegment } from "./segment-pass.ts";
import type { Crc32, Pass } from "./segment-pass.ts";
import type {
  DropCause,
  Recheck,
  SegmentVerifier,
  SegmentWriter,
  StoredSegment,
  VerifyObserver,
  WrittenSegment,
} from "./segment-verifier.ts";

export interface TwoPassOptions {
  readonly clock: Clock & Scheduler;
  readonly crc32: Crc32;
  readonly observer: VerifyObserver;
  /** Between the end of one read and the start of the next; > 0. */
  readonly quietMs: number;
  /** Since the start of a verification: no read begins later, apart from the first two; >= `quietMs`. */
  readonly settleMaxMs: number;
  /** `none`: restarts are not looked for. */
  readonly engine: "probe" | "none";
  readonly probeTimeoutMs: number;
  /** Segments read or synced at once, and the bytes that they have together; one that is larger goes alone. */
  readonly passesLimit: number;
  readonly passBytesLimit: number;
  /** Verifications under way, those in their quiet time too; and as many rechecks. */
  readonly queueLimit: number;
}

export interface VerifierLoad {
  readonly verifying: number;
  readonly rechecking: number;
  /** Of the segments that are being read or synced now. */
  readonly bytes: number;
}

type Verified = Extract<Verdict, { kind: "durable" }>;
type WholePass = Extract<Pass, { kind: "read" }>;

export class TwoPassVerifier implements SegmentVerifier {
  readonly #options: TwoPassOptions;
  readonly #gate: PassGate;
  readonly #closing = new AbortController();
  readonly #verifying = new Set<Promise<unknown>>();
  readonly #rechecking = new Set<Promise<unknown>>();

  constructor(options: TwoPassOptions) {
    this.#options = options;
    this.#gate = new PassGate({ passes: options.passesLimit, bytes: options.passBytesLimit });
  }

  get load(): VerifierLoad {
    const [verifying, rechecking] = [this.#verifying.size, this.#rechecking.size];
    return { verifying, rechecking, bytes: this.#gate.bytes };
  }

  verify(written: WrittenSegment): Promise<Verdict> {
    return tracked(this.#verifying, this.#verify(written));
  }

  recheck(stored: StoredSegment): Promise<Recheck> {
    return tracked(this.#rechecking, this.#recheck(stored));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#verifying, ...this.#rechecking]);
  }

  async #verify(written: WrittenSegment): Promise<Verdict> {
    const { clock, observer } = this.#options;
    const startMs = clock.now();
    const tally = { passes: 0 };
    const end = this.#refusal(this.#verifying) ?? (await this.#judge(written, tally));
    observer.verified({
      result: typeof end === "string" ? end : end.kind,
      bytes: bytesOf(written),
      passes: tally.passes,
      durationMs: clock.now() - startMs,
    });
    return typeof end === "string" ? { kind: "dropped", reason: DROP_REASON[end] } : end;
  }

  async #recheck(stored: StoredSegment): Promise<Recheck> {
    const { clock, observer, crc32 } = this.#options;
    const startMs = clock.now();
    const bytes = bytesOf(stored);
    const { signal } = this.#closing;
    const refusal = this.#refusal(this.#rechecking);
    const read = (): Promise<Recheck> => recheckSegment(stored, { crc32, signal });
    const end: Recheck =
      refusal === undefined
        ? await this.#gate.run({ kind: "plan", bytes }, read)
        : { kind: "unreadable", reason: refusal };
    const result = end.kind === "ok" ? end.kind : end.reason;
    observer.rechecked({ result, bytes, durationMs: clock.now() - startMs });
    return end;
  }

  /** Before the one that asks is counted. */
  #refusal(running: ReadonlySet<unknown>): "closed" | "queue_full" | undefined {
    if (this.#closing.signal.aborted) return "closed";
    return running.size < this.#options.queueLimit ? undefined : "queue_full";
  }

  async #judge(written: WrittenSegment, tally: Tally): Promise<Verified | DropCause> {
    const { engine } = this.#options;
    const { writer } = written;
    if (engine === "probe" && writer.atPlan === undefined) return "engine_unknown";
    const settled = await this.#settled(written, tally);
    if (typeof settled === "string") return settled;
    const change = engine === "probe" ? await this.#changeOf(writer) : undefined;
    return change ?? (await this.#synced(written, settled));
  }

  /** The first of two reads that agree, or why there are none. */
  async #settled(written: WrittenSegment, tally: Tally): Promise<WholePass | DropCause> {
    const { clock, quietMs, settleMaxMs } = this.#options;
    const untilMs = clock.now() + settleMaxMs;
    let before = await this.#read(written, tally);
    while (before.kind !== "failed") {
      await pause(clock, quietMs, this.#closing.signal);
      const after = await this.#read(written, tally);
      if (after.kind === "failed") return after.problem;
      if (after.stat.identity !== before.stat.identity) return "replaced";
      if (before.kind === "read" && after.kind === "read" && before.crc === after.crc)
        return before;
      if (clock.now() + quietMs > untilMs) {
        return after.kind === "zero_block" ? "zero_block" : "unsettled";
      }
      before = after;
    }
    return before.problem;
  }

  #read(written: WrittenSegment, tally: Tally): Promise<Pass> {
    const { segment, layout } = written;
    const { kvStart, tokenLength: tokens } = segment;
    const blocks = nonzeroBlocks(layout, { tokens, kvStart });
    return this.#whenRoom(written, () => {
      tally.passes++;
      return readSegment(written, {
        crc32: this.#options.crc32,
        signal: this.#closing.signal,
        blocks,
      });
    });
  }

  async #changeOf({ atPlan, probe }: SegmentWriter): Promise<DropCause | undefined> {
    const { clock, probeTimeoutMs } = this.#options;
    const answered = new AbortController();
    const signal = AbortSignal.any([answered.signal, this.#closing.signal]);
    const ask = async (): Promise<EngineInstance | undefined> => probe.instance();
    const asked = ask().catch(() => undefined);
    const late = pause(clock, probeTimeoutMs, signal).then(() => undefined);
    const instance = await Promise.race([asked, late]);
    answered.abort();
    if (this.#closing.signal.aborted) return "closed";
    if (instance === undefined) return "engine_unknown";
    return instance === atPlan ? undefined : "engine_restarted";
  }

  async #synced(written: WrittenSegment, { crc, stat }: WholePass): Promise<Verified | DropCause> {
    const { location, segment } = written;
    const synced = await this.#whenRoom(written, () => location.sync(segment.file.name));
    if (synced instanceof LocationFault) return passProblem(synced);
    if (synced.identity !== stat.identity) return "replaced";
    return { kind: "durable", crc, stat };
  }

  #whenRoom<T>(written: WrittenSegment, task: () => Promise<T>): Promise<T> {
    return this.#gate.run({ kind: "settling", bytes: bytesOf(written) }, task);
  }
}

/** How often the segment was read so far. */
interface Tally {
  passes: number;
}

const DROP_REASON = {
  missing: "unverified",
  truncated: "unverified",
  not_ours: "unverified",
  io: "unverified",
  queue_full: "unverified",
  closed: "unverified",
  replaced: "unverified",
  zero_block: "unverified",
  unsettled: "unverified",
  engine_restarted: "engine_restarted",
  engine_unknown: "engine_restarted",
} as const satisfies Record<DropCause, string>;

function bytesOf({ segment }: StoredSegment): number {
  return segment.bytes;
}

async function tracked<T>(running: Set<Promise<unknown>>, task: Promise<T>): Promise<T> {
  running.add(task);
  try {
    return await task;
  } finally {
    running.delete(task);
  }
}
