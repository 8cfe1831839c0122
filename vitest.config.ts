import { defineConfig } from "vitest/config";

const isCi = process.env["CI"] !== undefined;

/**
 * `unit` holds everything that needs no other process: unit, property, contract and stress tests.
 * `e2e` starts a real Envoy and real engines, one file at a time, because a run on two cores must not starve Envoy.
 */
export default defineConfig({
  test: {
    expect: { requireAssertions: true },
    reporters: isCi ? ["default", "json"] : ["default"],
    outputFile: { json: ".cache/test-results/vitest.json" },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/docker/**"],
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          sequence: { groupOrder: 1 }, // after the unit tests, with the machine to itself
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
