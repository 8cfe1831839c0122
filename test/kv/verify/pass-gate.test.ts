import { describe, expect, it } from "vitest";

import { PassGate } from "../../../src/kv/verify/pass-gate.ts";
import type { GateKind } from "../../../src/kv/verify/pass-gate.ts";
import { settle } from "../../support/fake-clock.ts";

/** A gate with tasks that a test ends by hand. */
class Gated {
  readonly running: string[] = [];
  readonly #gate: PassGate;
  readonly #ends = new Map<string, () => void>();

  constructor(limits: { passes: number; bytes: number }) {
    this.#gate = new PassGate(limits);
  }

  start(name: string, bytes: number, kind: GateKind = "settling"): Promise<void> {
    return this.#gate.run({ kind, bytes }, () => {
      this.running.push(name);
      return new Promise((end) => this.#ends.set(name, end));
    });
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    this.running.splice(this.running.indexOf(name), 1);
    await settle();
  }
}

describe("the gate", () => {
  it("lets in as many as its limit, and the next one when one ends", async () => {
    const gated = new Gated({ passes: 2, bytes: 100 });
    for (const name of ["a", "b", "c"]) void gated.start(name, 1);
    await settle();
    expect(gated.running).toEqual(["a", "b"]);

    await gated.end("a");

    expect(gated.running).toEqual(["b", "c"]);
  });

  it("lets in as many bytes as its limit, and no later one past the first that waits", async () => {
    const gated = new Gated({ passes: 9, bytes: 100 });
    void gated.start("a", 60);
    void gated.start("b", 40);
    void gated.start("c", 41);
    void gated.start("d", 1);
    await settle();
    expect(gated.running).toEqual(["a", "b"]);

    await gated.end("b");
    expect(gated.running).toEqual(["a"]);

    await gated.end("a");
    expect(gated.running).toEqual(["c", "d"]);
  });

  it("lets one in alone that is larger than the limit", async () => {
    const gated = new Gated({ passes: 9, bytes: 100 });
    void gated.start("huge", 1_000);
    void gated.start("small", 1);
    await settle();
    expect(gated.running).toEqual(["huge"]);

    await gated.end("huge");

    expect(gated.running).toEqual(["small"]);
  });

  it("lets in what a plan waits for before all that settles", async () => {
    const gated = new Gated({ passes: 1, bytes: 100 });
    void gated.start("a", 1);
    void gated.start("b", 1);
    void gated.start("plan", 1, "plan");
    await settle();

    await gated.end("a");

    expect(gated.running).toEqual(["plan"]);
  });

  it("makes room when a task fails", async () => {
    const gate = new PassGate({ passes: 1, bytes: 1 });
    const failing = gate.run({ kind: "settling", bytes: 1 }, () => Promise.reject(new Error("x")));
    const next = gate.run({ kind: "settling", bytes: 1 }, () => Promise.resolve("in"));

    await expect(failing).rejects.toThrow("x");
    expect(await next).toBe("in");
  });
});
