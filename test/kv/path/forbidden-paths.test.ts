import { expect, it } from "vitest";
import {
  leadsToAny,
  SGLANG_PATHS,
  SLOT_SERVER_PATHS,
} from "../../../src/kv/path/forbidden-paths.ts";

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
])("%s of a llama-server is for no client", (path) => {
  expect(leadsToAny(path, SLOT_SERVER_PATHS)).toBe(true);
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
])("%s of a llama-server is for all", (path) => {
  expect(leadsToAny(path, SLOT_SERVER_PATHS)).toBe(false);
});

it.each([
  "/update_weights_from_disk",
  "/update_weights_from_disk/",
  "/update%5Fweights_from_tensor",
  "//update_weight_version",
  "/unload_lora_adapter",
  "/weights_checker",
  "/post_process_weights",
  "/hicache/storage-backend",
])("%s of SGLang is for no client", (path) => {
  expect(leadsToAny(path, SGLANG_PATHS)).toBe(true);
});

it.each([
  "/generate",
  "/v1/chat/completions",
  "/open_session",
  "/close_session",
  "/get_server_info",
])("%s of SGLang is for all", (path) => {
  expect(leadsToAny(path, SGLANG_PATHS)).toBe(false);
});
