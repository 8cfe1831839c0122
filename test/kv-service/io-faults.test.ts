/** The file system fails once, at call 1, 2, 3 and so on of a turn: the turn is answered, nothing stored is lost, and a metric says why. */
import { utimes } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";

import { Benches, CATALOGS } from "../kv/turns/catalogs.ts";
import { failingFs, type TracedFs } from "../support/failing-fs.ts";
import { MeasuredBench } from "./measured-bench.ts";

const NEVER = Infinity;

describe("a file system that fails", { timeout: 60_000 }, () => {
  const benches = new Benches(CATALOGS[0]); // which needs none
  afterEach(async () => expect(await benches.close()).toEqual([]));

  interface Attempt {
    readonly bench: MeasuredBench;
    readonly fs: TracedFs;
    readonly session: string;
    readonly at: number;
  }

  /** A session with 8 durable tokens in a file that was touched, so that a plan has to read it again; then call `at` fails. */
  async function ready(at: number, errno: "EIO" | "ENOSPC"): Promise<Attempt> {
    const fs = failingFs();
    const bench = await MeasuredBench.open(benches, { fs });
    const session = `s${at}`;
    await bench.turns.create(session);
    await bench.turn(session, "one ", "two ");
    await utimes(bench.turns.pathOf(`file:///${session}`), 1, 1);
    fs.restart({ at, mode: "once", errno });
    return { bench, fs, session, at };
  }

  /** Every count that says what went wrong, or undefined where the turn had all that it would have had. */
  async function reasonsOf({ bench }: Attempt): Promise<string[]> {
    const [plans, reservations, settled] = await Promise.all([
      bench.counts("kv_plans_total"),
      bench.counts("kv_reservations_total"),
      bench.counts("kv_segments_settled_total"),
    ]);
    return [...Object.keys(plans), ...Object.keys(reservations), ...Object.keys(settled)].filter(
      (reason) => reason.startsWith("file_") || reason === "dropped",
    );
  }

  it.each(["EIO", "ENOSPC"] as const)(
    "answers every turn when one call ends in %s",
    async (errno) => {
      const seen = new Set<string>();
      for (let at = 1; ; at++) {
        const attempt = await ready(at, errno);
        const { bench, session, fs } = attempt;
        const plan = await bench.turn(session, "one two three ", "four ");
        const isOver = fs.trace.length < at;
        fs.restart({ at: NEVER, mode: "once" });
        const next = await bench.turns.plan(session, "one two three four !");
        const [first] = await bench.turns.catalog.segments({ tenant: "", id: session });
        // What was durable before is, whatever failed meanwhile.
        expect(first, `call ${at}`).toMatchObject({ tokenStart: 0, tokenLength: 8 });
        expect(next.storedTokens, `call ${at}`).toBeGreaterThanOrEqual(8);
        const reasons = await reasonsOf(attempt);
        const isWhole = plan.storedTokens === 8 && next.storedTokens === 19;
        expect(isWhole || reasons.length > 0, `call ${at}: ${next.storedTokens} tokens`).toBe(true);
        for (const reason of reasons) seen.add(reason);
        await benches.close();
        if (isOver) break;
      }
      const code = errno === "EIO" ? "io" : "no_space";
      expect([...seen].toSorted()).toEqual(
        ["dropped", `file_${code}`, "file_unreadable"].toSorted(),
      );
    },
  );
});
