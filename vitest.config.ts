import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { compileCache } from "./demo/stack/compile-cache.ts";
import { RESULTS_FOLDER, ResultsReporter } from "./scripts/suite-results.ts";

const oneAtATime = { fileParallelism: false, testTimeout: 60_000, hookTimeout: 120_000 };
/** The suite of the whole check that this run is. */
const suite = process.env["TEST_RESULTS"] ?? (process.env["CI"] && "vitest");
const results = suite ? [new ResultsReporter(join(RESULTS_FOLDER, `${suite}.json`))] : [];

/**
 * `unit` holds everything that needs no Envoy: unit, property, contract and stress tests, and those of processes of our own.
 * `e2e` starts a real Envoy and real engines, one file at a time, because a run on two cores must not starve Envoy.
 * `crash` kills the KV service again and again (scripts/test-crash.ts).
 * `llama` shows session KV with real llama-servers, which PyPI has: about 55 MB, once.
 * `docker` (scripts/test-docker.ts) is e2e again, with Envoy and the sidecar in containers.
 */
export default defineConfig({
  test: {
    expect: { requireAssertions: true },
    reporters: ["default", ...results],
    env: compileCache,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          maxWorkers: 2, // by itself vitest leaves one of two cores idle
          // Against hanging: they take 30 s only where others have the machine.
          testTimeout: 30_000,
          hookTimeout: 30_000,
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/docker/**", "test/crash/**", "test/llama/**"],
        },
      },
      {
        extends: true,
        test: {
          ...oneAtATime,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          sequence: { groupOrder: 1 }, // after the unit tests, with the machine to itself
        },
      },
      {
        extends: true,
        test: {
          ...oneAtATime,
          name: "crash",
          include: ["test/crash/**/*.test.ts"],
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          ...oneAtATime,
          name: "llama",
          include: ["test/llama/**/*.test.ts"],
          sequence: { groupOrder: 4 },
        },
      },
      {
        extends: true,
        test: {
          ...oneAtATime,
          name: "docker",
          include: ["test/e2e/**/*.test.ts", "test/docker/**/*.test.ts"],
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
