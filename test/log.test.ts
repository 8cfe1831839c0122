import { expect, it } from "vitest";
import { createLogger, hashSessionId } from "../src/log.ts";
import type { LogOptions } from "../src/log.ts";

function openLog(options: Partial<LogOptions> = {}) {
  const lines: Record<string, unknown>[] = [];
  const sink = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { lines, log: createLogger({ level: "info", sessionIds: "hash", ...options }, sink) };
}

it("writes one JSON object per line, with its level, part, message and fields", () => {
  const { log, lines } = openLog();
  log.part("health").warn("endpoint is down", { pool: "default" });
  expect(lines).toEqual([
    expect.objectContaining({
      level: "warn",
      part: "health",
      msg: "endpoint is down",
      pool: "default",
    }),
  ]);
});

it("says that debug is off, and writes nothing below its level", () => {
  const { log, lines } = openLog();
  log.debug("decided");
  expect([log.isDebug, lines]).toEqual([false, []]);
});

it("says that debug is on, in its parts too", () => {
  const { log } = openLog({ level: "debug" });
  expect([log.isDebug, log.part("router").isDebug]).toEqual([true, true]);
});

it("writes an error with its stack and its cause", () => {
  const { log, lines } = openLog();
  log.error("failed", { error: new Error("outer", { cause: new Error("inner") }) });
  expect(lines[0]?.["error"]).toMatchObject({
    message: "outer",
    stack: expect.stringContaining("log.test.ts"),
    cause: { message: "inner" },
  });
});

it("hashes session ids alike in every process", () => {
  const { log } = openLog();
  expect(log.sessionId("abc")).toBe("ba7816bf8f01cfea"); // SHA-256 of "abc", FIPS 180-2, appendix B.1
  expect(log.part("router").sessionId("abc")).toBe(hashSessionId("abc"));
});

it("leaves session ids plain where the operator asks for it", () => {
  expect(openLog({ sessionIds: "plain" }).log.sessionId("abc")).toBe("abc");
});
