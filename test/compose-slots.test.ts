/** What the configuration makes of a pool of servers with slots. */
import { mkdtemp, mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";

import { type App, compose } from "../src/compose.ts";
import { loadUsableConfig, rolesOf } from "../src/config/check.ts";
import { jsonBody, modes, posted, responseHeaders, streamed } from "./support/exchange-messages.ts";
import { createClient, ExtProcStream } from "./support/ext-proc-client.ts";
import { metric } from "./support/moorline-view.ts";
import { decodeReply, encodeRequest } from "./support/published-codec.ts";
import { RecordedLlama } from "./support/recorded-llama.ts";
import { freshSlot, usedSlot } from "./support/recorded-slots.ts";
import { until } from "./support/until.ts";

interface Composed {
  readonly tenantHeader?: string | null;
  readonly health?: string;
  readonly address?: string;
  readonly slots?: string;
}

/** In a folder of its own, with a key in it and a location `kv`. */
async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-"));
  await mkdir(join(folder, "kv", "staging"), { recursive: true });
  await writeFile(join(folder, "key"), "sk-1\n");
  return folder;
}

async function composed(folder: string, given: Composed): Promise<App> {
  const { tenantHeader = null, health = "{ enabled: false }" } = given;
  const { address = "127.0.0.1:1", slots = "{}" } = given;
  const configPath = join(folder, "moorline.yaml");
  await writeFile(
    configPath,
    `
extproc: { listen: ["127.0.0.1:0"] }
admin: { listen: "127.0.0.1:0" }
log: { level: error }
health: ${health}
session: { tenantHeader: ${tenantHeader} }
pools: [{ name: default, endpoints: ["${address}"], kv: { dialect: llamacpp-slots, holdMs: 600000, slots: ${slots} } }]
kv:
  listen: "127.0.0.1:0"
  catalog: { path: ${join(folder, "catalog")} }
  locations: [{ id: disk, root: ${join(folder, "kv")}, capacityBytes: 1073741824 }]
`,
  );
  const config = await loadUsableConfig(configPath);
  const app = await compose(config, { configPath, roles: rolesOf(config, undefined) });
  onTestFinished(async () => {
    await app.close();
    await rm(folder, { recursive: true });
  });
  return app;
}

interface Asked {
  readonly stream: ExtProcStream;
  /** That goes on to a server. */
  readonly body: string;
}

async function ask(app: App, prompt: string): Promise<Asked> {
  const [address] = app.addresses.extproc;
  if (address === undefined) throw new Error("it listens nowhere");
  const client = createClient({
    kind: "tcp",
    host: "127.0.0.1",
    port: Number(address.split(":").at(-1)),
  });
  onTestFinished(() => client.close());
  const stream = new ExtProcStream(client);
  stream.send(
    encodeRequest({ ...posted({ ":path": "/completion" }), ...modes("FULL_DUPLEX_STREAMED") }),
  );
  stream.send(encodeRequest(jsonBody({ prompt })));
  await stream.reply();
  const [body] = streamed(decodeReply(await stream.reply()));
  onTestFinished(() => stream.cancel());
  return { stream, body };
}

it("keeps what goes on without a slot from the cache where there are tenants", async () => {
  const [tenants, nobody] = [
    await composed(await newFolder(), { tenantHeader: "x-tenant" }),
    await composed(await newFolder(), {}),
  ];
  expect((await ask(tenants, "a")).body).toBe(`{"cache_prompt":false,"prompt":"a"}`);
  expect((await ask(nobody, "a")).body).toBe(`{"prompt":"a"}`);
});

interface Serving {
  readonly app: App;
  readonly folder: string;
  readonly llama: RecordedLlama;
  readonly address: string;
  readonly value: (series: string) => Promise<number>;
}

/** With a server whose slots are used. */
async function serving(slots: string): Promise<Serving> {
  const folder = await newFolder();
  const llama = await RecordedLlama.start();
  onTestFinished(() => llama.kill().catch(() => {}));
  llama.apiKey = "sk-1";
  llama.saveFolder = join(folder, "kv", "staging");
  const address = `127.0.0.1:${llama.target.port}`;
  const health = "{ intervalMs: 3600000, failures: 100 }";
  const app = await composed(folder, { health, address, slots });
  const moorline = { adminUrl: `http://${app.addresses.admin}` };
  const value = async (series: string) => metric(moorline, `moorline_${series}`);
  await until(async () => (await value('kv_engines{pool="default",state="ready"}')) === 1);
  await until(async () => (await value('endpoints{pool="default",state="ready"}')) === 1);
  return { app, folder, llama, address, value };
}

it("knows a server by the key of the file, and that it is gone as soon as its process is", async () => {
  const { app, llama, value } = await serving("{ modelId: m, apiKeyFile: key }");
  for (const slot of [0, 1]) {
    expect((await ask(app, `of ${slot}`)).body).toContain(`"id_slot":${slot}`);
  }
  const waiting = ask(app, "of nobody");
  await until(async () => (await value('kv_slot_waiting{pool="default"}')) === 1);
  await llama.kill();
  expect((await waiting).body).toBe(`{"prompt":"of nobody"}`);
  await until(async () => (await value('endpoints{pool="default",state="down"}')) === 1);
});

it("has saved what is only in the slots of a server that leaves its pool", async () => {
  const slots = "{ modelId: m, apiKeyFile: key, save: on_evict, minTokens: 1 }";
  const { app, folder, llama, address, value } = await serving(slots);
  const { stream } = await ask(app, "a");
  llama.slots = [usedSlot(0), freshSlot(1)];
  const served = { "upstream.address": address, "upstream.request_attempt_count": 1 };
  const timings = { cache_n: 0, prompt_n: 5, predicted_n: 2 };
  stream.send(encodeRequest(responseHeaders("200", served)));
  stream.send(encodeRequest(answerBody({ content: "b", stop: true, timings })));
  await until(async () => (await value('kv_slot_residents{pool="default"}')) === 1);
  expect(saves(llama)).toHaveLength(1);
  const configPath = join(folder, "moorline.yaml");
  const config = await readFile(configPath, "utf8");
  await writeFile(configPath, config.replace(address, "127.0.0.1:1"));
  await app.reload();
  await until(() => saves(llama).length === 2);
  expect(saves(llama)[1]).toMatch(/^POST \/slots\/0\?/);
});

it("ends while a model's file is being read, however long it is", async () => {
  const folder = await newFolder();
  const path = join(folder, "model.gguf");
  await writeFile(path, "");
  await truncate(path, 2 ** 40);
  const llama = await RecordedLlama.start();
  onTestFinished(() => llama.kill());
  llama.props = { ...llama.props, model_path: path };
  const app = await composed(folder, { address: `127.0.0.1:${llama.target.port}` });
  await until(() => llama.asked.includes("GET /lora-adapters"));
  await app.close();
  expect(saves(llama)).toEqual([]);
});

/** The first of them finds out where it saves. */
function saves({ asked }: RecordedLlama): readonly string[] {
  return asked.filter((each) => each.includes("action=save"));
}

function answerBody(json: object) {
  return { response_body: { body: Buffer.from(JSON.stringify(json)), end_of_stream: true } };
}
