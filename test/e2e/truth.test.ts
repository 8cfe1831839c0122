/** The truth run at a small size; `npm run test:truth` is the whole of it. */
import { describe, expect, it } from "vitest";
import { runTruth } from "../truth/truth-run.ts";

describe("random conversations through Envoy, with everything that may happen to them", () => {
  it("get the answers of a fresh engine [T1]", { timeout: 120_000 }, async () => {
    const { line, problems } = await runTruth({ turns: 150, seed: 1, isSabotage: false });
    expect(problems).toEqual([]);
    expect(line).toMatchObject({ suite: "truth", differences: 0 });
  });

  it(
    "get other answers where bytes change and nobody looks [T1]",
    { timeout: 120_000 },
    async () => {
      const { differences } = await runTruth({ turns: 36, seed: 1, isSabotage: true });
      expect(differences).toBeGreaterThan(0);
    },
  );
});
