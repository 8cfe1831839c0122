import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { EngineProcess } from "../../../../demo/stack/engine.ts";
import { createFolder, removeFolder } from "../../../../demo/stack/folder.ts";
import { post, someIds } from "../../../support/engine-client.ts";
import { until } from "../../../support/until.ts";

let root: string;
let engine: EngineProcess;
beforeEach(async () => {
  root = await createFolder("moorline-engine-");
  engine = new EngineProcess({
    name: "a",
    kind: "computing",
    settings: { root, stateless: true, "page-size": 16, "die-write": 2, "die-eighths": 3 },
  });
  await engine.start();
}, 30_000);
afterEach(async () => {
  await engine.close();
  await removeFolder(root);
});

async function store(name: string): Promise<number> {
  await writeFile(join(root, name), "");
  const segment = { token_start: 0, token_length: 64, kv_uri: `file:///${name}`, kv_start: 0 };
  const { status } = await post(engine, "/generate", {
    input_ids: someIds(64),
    sampling_params: { max_new_tokens: 1 },
    kvcache_params: { id: "s", fresh_kvcache: [segment] },
  });
  return status;
}

const sizeOf = async (name: string) => (await readFile(join(root, name))).length;

it("an engine process dies in the write that it was told, after it has answered, and starts again at its port", async () => {
  const { pid, url } = engine;
  expect(await store("one")).toBe(200);
  expect(await store("two")).toBe(200);
  await until(async () => {
    const isGone = await fetch(`${url}/health`).then(
      () => false,
      () => true,
    );
    return isGone;
  });
  expect([await sizeOf("one"), await sizeOf("two")]).toEqual([64 * 256, 24 * 256]);
  await engine.start();
  expect(engine.url).toBe(url);
  expect(engine.pid).not.toBe(pid);
  expect(await store("one")).toBe(200);
}, 30_000);
