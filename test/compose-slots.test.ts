/** What the configuration makes of a pool of servers with slots. */
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";

import { type App, compose } from "../src/compose.ts";
import { loadUsableConfig, rolesOf } from "../src/config/check.ts";
import { jsonBody, modes, posted, streamed } from "./support/exchange-messages.ts";
import { createClient, ExtProcStream } from "./support/ext-proc-client.ts";
import { endpointStates, metric } from "./support/moorline-view.ts";
import { decodeReply, encodeRequest } from "./support/published-codec.ts";
import { RecordedLlama } from "./support/recorded-llama.ts";
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

/** What goes on to a server of a request with this prompt. */
async function sentOn(app: App, prompt: string): Promise<string> {
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
  return body;
}

it("keeps what goes on without a slot from the cache where there are tenants", async () => {
  const [tenants, nobody] = [
    await composed(await newFolder(), { tenantHeader: "x-tenant" }),
    await composed(await newFolder(), {}),
  ];
  expect(await sentOn(tenants, "a")).toBe(`{"cache_prompt":false,"prompt":"a"}`);
  expect(await sentOn(nobody, "a")).toBe(`{"prompt":"a"}`);
});

const KNOWN = 'moorline_kv_engines{pool="default",state="ready"}';
const WAITING = 'moorline_kv_slot_waiting{pool="default"}';

it("knows a server by the key of the file, and that it is gone as soon as its process is", async () => {
  const folder = await newFolder();
  const llama = await RecordedLlama.start();
  onTestFinished(() => llama.kill().catch(() => {}));
  llama.apiKey = "sk-1";
  llama.saveFolder = join(folder, "kv", "staging");
  const app = await composed(folder, {
    health: "{ intervalMs: 3600000, failures: 100 }",
    address: `127.0.0.1:${llama.target.port}`,
    slots: "{ modelId: m, apiKeyFile: key }",
  });
  const moorline = { adminUrl: `http://${app.addresses.admin}` };
  const states = async () => Object.values(await endpointStates(moorline));
  await until(async () => (await metric(moorline, KNOWN)) === 1);
  await until(async () => (await states())[0] === "ready");
  for (const slot of [0, 1]) {
    expect(await sentOn(app, `of ${slot}`)).toContain(`"id_slot":${slot}`);
  }
  const waiting = sentOn(app, "of nobody");
  await until(async () => (await metric(moorline, WAITING)) === 1);
  await llama.kill();
  expect(await waiting).toBe(`{"prompt":"of nobody"}`);
  await until(async () => (await states())[0] !== "ready");
  expect(await states()).toEqual(["down"]);
});
