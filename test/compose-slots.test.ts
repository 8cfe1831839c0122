/** What the configuration makes of requests to a pool of servers with slots, before any server is known. */
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";

import { compose } from "../src/compose.ts";
import { loadUsableConfig, rolesOf } from "../src/config/check.ts";
import { jsonBody, modes, posted, streamed } from "./support/exchange-messages.ts";
import { createClient, ExtProcStream } from "./support/ext-proc-client.ts";
import { decodeReply, encodeRequest } from "./support/published-codec.ts";

async function sentOn(tenantHeader: string | null): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "moorline-"));
  await mkdir(join(folder, "kv"));
  const configPath = join(folder, "moorline.yaml");
  await writeFile(
    configPath,
    `
extproc: { listen: ["127.0.0.1:0"] }
admin: { listen: "127.0.0.1:0" }
log: { level: error }
health: { enabled: false }
session: { tenantHeader: ${tenantHeader} }
pools: [{ name: default, endpoints: ["127.0.0.1:1"], kv: { dialect: llamacpp-slots } }]
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
  stream.send(encodeRequest(jsonBody({ prompt: "a" })));
  await stream.reply();
  const [body] = streamed(decodeReply(await stream.reply()));
  stream.cancel();
  return body;
}

it("keeps what goes on without a slot from the cache where there are tenants", async () => {
  expect(await sentOn("x-tenant")).toBe(`{"cache_prompt":false,"prompt":"a"}`);
  expect(await sentOn(null)).toBe(`{"prompt":"a"}`);
});
