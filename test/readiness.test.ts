import { describe, expect, it } from "vitest";
import { ReadinessGate } from "../src/readiness.ts";
import { settle } from "./support/fake-clock.ts";

function openGate() {
  const changes: boolean[] = [];
  const gate = new ReadinessGate((isReady) => changes.push(isReady));
  const [checks, file] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  gate.waitFor("checks", checks.promise);
  gate.waitFor("file", file.promise);
  return { gate, changes, checks, file };
}

describe("readiness", () => {
  it("comes with the last thing that it waits for, and names the others until then", async () => {
    const { gate, changes, checks, file } = openGate();
    expect(gate.now()).toEqual({ isReady: false, reasons: ["checks", "file"] });
    checks.resolve();
    await settle();
    expect([gate.now(), changes]).toEqual([{ isReady: false, reasons: ["file"] }, []]);
    file.resolve();
    await settle();
    expect([gate.now(), changes]).toEqual([{ isReady: true, reasons: [] }, [true]]);
  });

  it("ends with the drain, and does not come after it", async () => {
    const { gate, changes, checks, file } = openGate();
    gate.drain();
    checks.resolve();
    file.resolve();
    await settle();
    expect([gate.now(), changes]).toEqual([{ isReady: false, reasons: ["draining"] }, [false]]);
  });
});
