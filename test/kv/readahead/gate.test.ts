/** How long turns are held, with copies that take as long as they are said to. */
import { describe, expect, it } from "vitest";

import type { MatchRequest } from "../../../src/kv/catalog.ts";
import { isAtAny } from "../../../src/kv/copies.ts";
import { usableTokens } from "../../../src/kv/model/load-rules.ts";
import { Gate, type Hold } from "../../../src/kv/readahead/gate.ts";
import type { Segment } from "../../../src/kv/records.ts";
import { settle } from "../../support/fake-clock.ts";
import { CopyStand, segmentAt, type StandLimits, type StandPlace } from "./copy-stand.ts";

const MEMORY = { id: "memory", tier: "memory" } as const;
const DISK = { id: "disk", tier: "disk" } as const;
const ARCHIVE = { id: "archive", tier: "remote", engines: false } as const;

/** 4,000 bytes of as many tokens each; a copy of one takes 40 ms. */
const BYTES = 4_000;
const RULES = { pageSize: 1, loadThreshold: 0 };
const PROMPT = { session: { tenant: "", id: "a" }, rules: RULES } as MatchRequest;

class GateStand extends CopyStand {
  readonly gate: Gate;
  /** Of the prompt, in order. */
  segments: readonly Segment[] = [];
  readonly holds: string[] = [];
  /** At what is under way. */
  looks = 0;

  constructor(places: readonly StandPlace[], limits: Partial<StandLimits> = {}) {
    super(places, limits);
    const ids = (engines?: boolean) =>
      new Set(places.flatMap((each) => (engines && each.engines === false ? [] : each.id)));
    this.gate = new Gate({
      catalog: { match: async (request) => this.#match(request) },
      places: {
        all: () => ids(),
        within: () => ids(true),
        isFlat: () => places.length === 1,
      },
      readahead: {
        bring: (request) => this.readahead.bring(request),
        readMs: (from, flight) => this.readahead.readMs(from, flight),
        leftMs: (flights) => {
          this.looks++;
          return this.readahead.leftMs(flights);
        },
      },
      clock: this.clock,
      observer: { held: ({ outcome, heldMs }) => this.holds.push(`${outcome} ${heldMs}`) },
    });
  }

  /** So many milliseconds for each 1,000 tokens that are not loaded. */
  turnMs(perThousand: number): NonNullable<Hold["turnMs"]> {
    const all = this.segments.length * BYTES;
    return (stored) => ((all - stored) / 1_000) * perThousand;
  }

  /** Held for up to ten seconds unless it says otherwise. */
  pass(hold: Partial<Hold>): Promise<unknown> {
    const untilMs = this.clock.now() + 10_000;
    return this.gate.pass({
      match: async () => PROMPT,
      reach: undefined,
      hold: { untilMs, ...hold },
    });
  }

  /** One copy, so that the times of copies are known. */
  async learn(from = "archive"): Promise<void> {
    await this.bring([segmentAt("learned", [from], { bytes: BYTES })]);
    await this.clock.advance(40);
  }

  #match({ locations }: MatchRequest) {
    const end = this.segments.findIndex((segment) => !isAtAny(segment, locations));
    const segments = end === -1 ? this.segments : this.segments.slice(0, end);
    const tokens = usableTokens(segments.length * BYTES, RULES);
    return { segments, tokens, limit: "end_of_stored" } as const;
  }
}

function stand(
  copies: readonly (readonly string[])[],
  places: readonly StandPlace[] = [MEMORY, ARCHIVE],
  limits: Partial<StandLimits> = {},
): GateStand {
  const made = new GateStand(places, limits);
  made.segments = copies.map((at, index) =>
    segmentAt(`s${index}`, at, { bytes: BYTES, tokenStart: index * BYTES }),
  );
  return made;
}

describe("a gate", () => {
  it("holds a turn until what it loads is near, where computing takes longer", async () => {
    const at = stand([["archive"]]);
    await at.learn();
    const passing = at.pass({ turnMs: at.turnMs(11) });
    await settle();
    await at.clock.advance(100);
    await passing;
    expect(at.holds).toEqual(["near 40"]);
  });

  it("opens at once where computing is cheaper, and lets the copy go on [T8]", async () => {
    const at = stand([["archive"]]);
    await at.learn();
    await at.pass({ turnMs: at.turnMs(10) });
    expect(at.holds).toEqual(["opened_early 0"]);
    await at.clock.advance(40);
    expect(at.seen.at(-1)).toBe("copied 4000 from remote to memory");
  });

  it("opens when waiting has cost as much as was to be gained, whatever it still hopes for", async () => {
    const at = stand([["archive"]]);
    await at.learn();
    at.chunkMs = 1_000;
    const passing = at.pass({ turnMs: at.turnMs(15) });
    await settle();
    await at.clock.advance(1_000);
    await passing;
    expect(at.holds).toEqual(["opened_early 60"]);
  });

  it("opens when a copy that is late will not be there before it is computed", async () => {
    const at = stand([["archive"]]);
    await at.learn();
    at.chunkMs = 1_000;
    const passing = at.pass({ turnMs: at.turnMs(75) });
    await settle();
    await at.clock.advance(1_000);
    await passing;
    expect(at.holds).toEqual(["opened_early 300"]);
  });

  it("waits for the first copies alone where the last one is not worth it", async () => {
    const at = stand([["archive"], ["memory"], ["archive"]], undefined, { copiesAtOnce: 1 });
    await at.learn();
    const turnMs = (stored: number) => [300, 150, 100, 90][stored / BYTES];
    const passing = at.pass({ turnMs });
    await settle();
    await at.clock.advance(40);
    await passing;
    expect(at.holds).toEqual(["near 40"]);
    expect(at.running).toBe(1);
  });

  it("opens when what is left of the wait is not enough for a copy that is late", async () => {
    const at = stand([["archive"]]);
    await at.learn();
    at.chunkMs = 5_000;
    const passing = at.pass({ untilMs: at.clock.now() + 50, turnMs: at.turnMs(1_000) });
    await settle();
    await at.clock.advance(50);
    await passing;
    expect(at.holds).toEqual(["opened_early 40"]);
    const unknown = stand([["archive"]]);
    unknown.chunkMs = 5_000;
    const untilMs = unknown.clock.now() + 50;
    const trying = unknown.pass({ untilMs, turnMs: unknown.turnMs(1_000) });
    await settle();
    await unknown.clock.advance(50);
    await trying;
    expect(unknown.holds).toEqual(["opened_early 32"]);
  });

  it("tries for a second where no copy was ever made, and no longer", async () => {
    const at = stand([["archive"]]);
    at.chunkMs = 5_000;
    const passing = at.pass({ turnMs: at.turnMs(1_000) });
    await settle();
    await at.clock.advance(5_000);
    await passing;
    expect(at.holds).toEqual(["opened_early 1000"]);
  });

  it("waits for all of them where nothing is known, though the first is there before", async () => {
    const at = stand([["archive"], ["archive"]], undefined, { copiesAtOnce: 1 });
    const passing = at.pass({ turnMs: () => undefined });
    await settle();
    await at.clock.advance(1_000);
    await passing;
    expect(at.holds).toEqual(["near 80"]);
  });

  it("does not try where the bandwidth alone says that it is in vain", async () => {
    const at = stand([["archive"]], undefined, { bytesPerSecond: 1_000 });
    await at.pass({ turnMs: at.turnMs(900) });
    expect(at.holds).toEqual(["opened_early 0"]);
    await at.readahead.close();
  });

  it("holds for as long as the caller says who would rather wait", async () => {
    const at = stand([["archive"], ["archive"]], undefined, { copiesAtOnce: 1 });
    const passing = at.pass({});
    await settle();
    await at.clock.advance(1_000);
    await passing;
    expect(at.holds).toEqual(["near 80"]);
  });

  it("does not hold for what the engine reads itself as fast as it is copied", async () => {
    const at = stand([["disk"]], [MEMORY, DISK]);
    await at.learn("disk");
    await at.pass({ turnMs: at.turnMs(1_000) });
    expect(at.holds).toEqual(["opened_early 0"]);
  });

  it("holds for a copy of it that has come far already", async () => {
    const at = stand([["disk"]], [MEMORY, DISK]);
    await at.learn("disk");
    await at.bring(at.segments);
    await at.clock.advance(30);
    const passing = at.pass({ turnMs: at.turnMs(1_000) });
    await settle();
    await at.clock.advance(10);
    await passing;
    expect(at.holds).toEqual(["near 10"]);
  });

  it("cancels for a client that leaves, and says so", async () => {
    const at = stand([["archive"]]);
    await at.learn();
    const client = new AbortController();
    const passing = at.pass({ turnMs: at.turnMs(100), signal: client.signal });
    await settle();
    await at.clock.advance(15);
    client.abort();
    expect(await passing).toBe("left");
    await at.clock.advance(20);
    expect(at.holds).toEqual(["left 15"]);
    expect(at.seen.at(-1)).toMatch(/^cancelled/);
  });

  it("opens when a copy fails, and nothing else is to be waited for", async () => {
    const at = stand([["archive"]]);
    await at.learn();
    at.result = "io";
    const passing = at.pass({ turnMs: at.turnMs(100) });
    await settle();
    await at.clock.advance(1);
    await passing;
    expect(at.holds).toEqual(["opened_early 0"]);
  });

  it("holds nobody when it is opened for good", async () => {
    const at = stand([["archive"]]);
    await at.learn();
    const passing = at.pass({ turnMs: at.turnMs(100) });
    await settle();
    at.gate.open();
    await passing;
    await at.pass({ turnMs: at.turnMs(100) });
    expect(at.holds).toEqual(["opened_early 0", "opened_early 0"]);
    await at.clock.advance(40);
    await at.readahead.close();
  });

  it("is late where a caller waits in vain who would rather wait, and looks seldom meanwhile", async () => {
    const at = stand([["archive"]]);
    at.chunkMs = 100_000;
    const passing = at.pass({ untilMs: at.clock.now() + 60_000 });
    await settle();
    await at.clock.advance(60_000);
    await passing;
    expect(at.holds).toEqual(["late 60000"]);
    expect(at.looks).toBeLessThan(100);
  });

  it("tries no copy for a second that others have tried for as long, and nothing came of it", async () => {
    const at = stand([["archive"]]);
    at.chunkMs = 100_000;
    for (let turn = 0; turn < 2; turn++) {
      const passing = at.pass({ turnMs: at.turnMs(500) });
      await settle();
      await at.clock.advance(5_000);
      await passing;
    }
    expect(at.holds).toEqual(["opened_early 1000", "opened_early 0"]);
  });

  it("tries none that waits for those of which nothing comes", async () => {
    const at = stand([["archive"]], undefined, { copiesAtOnce: 1 });
    at.chunkMs = 100_000;
    await at.bring([segmentAt("other", ["archive"])]);
    await at.clock.advance(5_000);
    await at.pass({ turnMs: at.turnMs(500) });
    expect(at.holds).toEqual(["opened_early 0"]);
  });

  it("leaves alone what cannot be nearer", async () => {
    const at = stand([["memory"]]);
    await at.pass({ turnMs: at.turnMs(100) });
    expect(at.holds).toEqual([]);
    expect(at.seen).toEqual([]);
  });
});
