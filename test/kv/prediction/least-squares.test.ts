import { describe, expect, it } from "vitest";
import { LeastSquares } from "../../../src/kv/prediction/least-squares.ts";

function taught(
  rows: readonly (readonly [first: number, second: number, target: number])[],
  costs = new LeastSquares(2),
) {
  for (const [first, second, target] of rows) {
    costs.forget(0.9);
    costs.add({ features: [first, second], target, weight: 1 });
    costs.solve();
  }
  return costs;
}

describe("least squares", () => {
  it("find what a unit of each feature costs", () => {
    const costs = taught([
      [1, 0, 2],
      [1, 1, 5],
    ]);
    expect(costs.coefficients[0]).toBeCloseTo(2, 4);
    expect(costs.coefficients[1]).toBeCloseTo(3, 4);
    expect(costs.valueOf([10, 1])).toBeCloseTo(23, 3);
  });

  it("keep what they found while features come in one proportion only", () => {
    const apart = taught([
      [1, 0, 2],
      [0, 1, 3],
    ]);
    const { coefficients } = taught(
      Array.from({ length: 500 }, () => [1, 1, 5] as const),
      apart,
    );
    expect(coefficients[0]).toBeCloseTo(2, 2);
    expect(coefficients[1]).toBeCloseTo(3, 2);
  });

  it("leave at 0 what would be negative, and let the rest make up for it", () => {
    const { coefficients } = taught([
      [1, 0, 4],
      [1, 1, 2],
    ]);
    expect(coefficients[1]).toBe(0);
    expect(coefficients[0]).toBeCloseTo((0.9 * 4 + 2) / 1.9, 4);
  });

  it("say 0 of a feature that was never seen", () => {
    expect(taught([[2, 0, 6]]).coefficients[1]).toBe(0);
  });
});
