/** A segment in a file of a real directory, and a verifier whose time a test moves. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";

import type { Location, ObjectName } from "../../../src/kv/location.ts";
import type { DirectoryLocation, DirectoryOptions } from "../../../src/kv/locations/directory.ts";
import type { GeometryKey } from "../../../src/kv/model/geometry-key.ts";
import { layoutOf, segmentBytes } from "../../../src/kv/model/layout.ts";
import type { SegmentLayout } from "../../../src/kv/model/layout.ts";
import { segmentId } from "../../../src/kv/records.ts";
import type { EngineInstance, Segment, TurnId } from "../../../src/kv/records.ts";
import type {
  RecheckEnd,
  StoredSegment,
  VerifyEnd,
  WrittenSegment,
} from "../../../src/kv/verify/segment-verifier.ts";
import { TwoPassVerifier } from "../../../src/kv/verify/two-pass-verifier.ts";
import type { TwoPassOptions } from "../../../src/kv/verify/two-pass-verifier.ts";
import { patterned } from "../../support/bytes.ts";
import { FakeClock, settle } from "../../support/fake-clock.ts";
import { createRoot, openAt } from "../locations/roots.ts";
import { DEEPSEEK_V3, QWEN3_8B } from "../model/profiles.ts";

export const QUIET_MS = 100;
export const SETTLE_MAX_MS = 500;
const STEP_MS = 10;

const small = { ...QWEN3_8B, layers: 2, kvHeads: 2 };

/** Small ones of every kind. Blocks are 512, 256 and 1152 bytes, and 4 KiB. */
export const LAYOUTS = {
  bf16: layoutOf(small),
  "tp=2": layoutOf({ ...small, tensorParallel: 2 }),
  mla: layoutOf({ ...DEEPSEEK_V3, layers: 2 }),
  fp8: layoutOf({ ...small, dtype: "fp8_e4m3" }),
} as const satisfies Record<string, SegmentLayout>;

/** Bytes before the segment in its file, of somebody else: whole pages, so that 8-bit blocks have no edges. */
export const KV_START = 8192;
export const TOKENS = 32;

export interface Placed {
  readonly layout?: SegmentLayout;
  readonly name?: string;
  readonly tokens?: number;
}

export class Stand {
  readonly clock = new FakeClock();
  readonly ends: VerifyEnd[] = [];
  readonly rechecks: RecheckEnd[] = [];
  readonly location: DirectoryLocation;
  readonly #root: Awaited<ReturnType<typeof createRoot>>;

  private constructor(root: Awaited<ReturnType<typeof createRoot>>, location: DirectoryLocation) {
    this.#root = root;
    this.location = location;
  }

  static async open(): Promise<Stand> {
    const root = await createRoot();
    return new Stand(root, await openAt(root.path, { naming: "flat" }));
  }

  async close(): Promise<void> {
    await this.location.close();
    await this.#root.remove();
  }

  reopened(options: Partial<DirectoryOptions>): Promise<DirectoryLocation> {
    return openAt(this.#root.path, { naming: "flat", ...options });
  }

  path(name = "session"): string {
    return join(this.#root.path, name);
  }

  verifier(options: Partial<TwoPassOptions> = {}): TwoPassVerifier {
    return new TwoPassVerifier({
      clock: this.clock,
      crc32,
      observer: {
        verified: (end) => this.ends.push(end),
        rechecked: (end) => this.rechecks.push(end),
      },
      quietMs: QUIET_MS,
      settleMaxMs: SETTLE_MAX_MS,
      engine: "none",
      probeTimeoutMs: 50,
      passesLimit: 4,
      passBytesLimit: 2 ** 30,
      queueLimit: 100,
      ...options,
    });
  }

  /** A reported segment, whose file is there and sparse. */
  async reserved({
    layout = LAYOUTS.bf16,
    name = "session",
    tokens = TOKENS,
  }: Placed = {}): Promise<WrittenSegment> {
    const bytes = segmentBytes(layout, tokens);
    await this.location.reserve(name as ObjectName, KV_START + bytes);
    return {
      segment: reportedSegment({ name, tokens, bytes }),
      layout,
      location: this.location,
      writer: writer("engine-1", "engine-1"),
    };
  }

  /** As the engine left it: all of it there. */
  async written(placed: Placed = {}): Promise<WrittenSegment & { readonly bytes: Uint8Array }> {
    const reserved = await this.reserved(placed);
    const bytes = patterned(reserved.segment.bytes);
    await this.write(0, bytes, placed.name);
    return { ...reserved, bytes };
  }

  async durable(placed: Placed = {}): Promise<StoredSegment & { readonly bytes: Uint8Array }> {
    const written = await this.written(placed);
    const segment = { ...written.segment, state: "durable", crc: crc32(written.bytes) } as const;
    return { ...written, segment };
  }

  /** What an engine writes; `offset` from the segment's start. */
  async write(offset: number, bytes: Uint8Array, name?: string): Promise<void> {
    const file = await open(this.path(name), "r+");
    await file.write(bytes, 0, bytes.length, KV_START + offset);
    await file.close();
  }

  async flipBit(bit: number, name?: string): Promise<void> {
    const file = await open(this.path(name), "r+");
    const at = KV_START + Math.floor(bit / 8);
    const byte = new Uint8Array(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] as number) ^ (1 << (bit % 8));
    await file.write(byte, 0, 1, at);
    await file.close();
  }

  /** Lets time pass whenever nothing else is going on, until the promise is settled. */
  async passing<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    promise.then(over, over);
    while (!isOver) {
      await settle();
      if (this.clock.pendingTimers > 0) await this.clock.advance(STEP_MS);
    }
    return promise;
  }
}

export function writer(
  atPlan: EngineInstance | undefined,
  now: EngineInstance | undefined,
): WrittenSegment["writer"] {
  return { atPlan, probe: { instance: () => Promise.resolve(now) } };
}

export interface LocationHooks {
  /** Before the n-th read begins, counted from 1. */
  readonly beforeRead?: (read: number) => Promise<void> | void;
  /** When its object is open and its stat taken, and none of its bytes. */
  readonly onOpened?: (read: number) => void;
  readonly onChunk?: () => void;
  /** After one that was read to its end. */
  readonly afterRead?: () => void;
  readonly beforeSync?: () => Promise<void> | void;
}

/** The same location, with something happening at certain moments. */
export function hooked(location: Location, hooks: LocationHooks): Location {
  let reads = 0;
  const read: Location["read"] = async function* (name, ranges, opened) {
    const number = ++reads;
    await hooks.beforeRead?.(number);
    const chunks = location.read(name, ranges, (stat) => {
      opened?.(stat);
      hooks.onOpened?.(number);
    });
    for await (const chunk of chunks) {
      hooks.onChunk?.();
      yield chunk;
    }
    hooks.afterRead?.();
  };
  const sync: Location["sync"] = async (name) => {
    await hooks.beforeSync?.();
    return location.sync(name);
  };
  return new Proxy(location, {
    get(_, key) {
      if (key === "read") return read;
      if (key === "sync") return sync;
      const value: unknown = Reflect.get(location, key);
      return typeof value === "function" ? value.bind(location) : value;
    },
  });
}

function reportedSegment(own: { name: string; tokens: number; bytes: number }): Segment {
  const turn = own.name as TurnId;
  return {
    id: segmentId(turn, 0),
    tenant: "",
    turn,
    state: "reported",
    retentionClass: "standard",
    geometry: "geometry" as unknown as GeometryKey,
    file: { location: "test", name: own.name as ObjectName },
    replicas: [],
    tokenStart: 0,
    tokenLength: own.tokens,
    kvStart: KV_START,
    bytes: own.bytes,
    chain: undefined,
    place: undefined,
    crc: 0,
    refs: 0,
    lastReadAtMs: 0,
    timesRead: 0,
    snapshot: undefined,
  };
}
