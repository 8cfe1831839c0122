import { expect, it } from "vitest";
import { isForbiddenPath } from "../../../src/kv/slots/forbidden-paths.ts";

it.each([
  "/slots",
  "/slots/",
  "/slots/0",
  "//slots//0",
  "/%73lots/0",
  "/slot%73",
  "/slots%2F0",
  "/SLOTS",
  "/%u0073lots/0",
  "/slots%u002F0",
  "/slots#fragment",
  "/slots#/../v1/models",
  "/lora-adapters",
  "/models/unload",
  "/cors-proxy",
  "/tools",
  "/v1/stream",
  "/v1/streams/lookup",
])("%s is for no client", (path) => {
  expect(isForbiddenPath(path)).toBe(true);
});

it.each([
  "/",
  "/v1/models",
  "/models",
  "/slotsx",
  "/v1/slots",
  "/toolsx",
  "/completion",
  "/%zz",
  "/slots%253F",
  "/%u73lots",
  "/v1/models#/slots",
])("%s is for all", (path) => {
  expect(isForbiddenPath(path)).toBe(false);
});
