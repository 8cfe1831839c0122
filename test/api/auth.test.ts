/** Who may ask for what. */
import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";

import document from "../../openapi.json" with { type: "json" };
import { CATALOGS } from "../kv/turns/catalogs.ts";
import type { ApiBench, ApiOptions } from "./api-bench.ts";
import { ApiBenches } from "./api-benches.ts";

const ADMIN = "admin-token-of-the-operator";
const RED = "token-of-the-tenant-red";
const BLUE = "token-of-the-tenant-blue";
const TOKENS = {
  admin: ADMIN,
  tenants: new Map([
    [sha256(RED), "red"],
    [sha256(BLUE), "blue"],
  ]),
};

const benches = new ApiBenches(CATALOGS[0]);
const open = (options: ApiOptions = { tokens: TOKENS }) => benches.open(options);
afterEach(() => benches.close());

async function statusOf(bench: ApiBench, path: string, headers: Record<string, string>) {
  const response = await fetch(bench.url + path, { headers });
  return [response.status, response.headers.get("www-authenticate")];
}

describe("the bearer token", () => {
  it("guards every operation that is described, and what is no route", async () => {
    const bench = await open();
    const described = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => [method.toUpperCase(), path] as const),
    );
    expect(described.length).toBeGreaterThan(20);
    const asked = [...described, ["GET", "/v1/nothing"], ["GET", "/"]] as const;
    const answers = await Promise.all(
      asked.map(async ([method, path]) => {
        const response = await fetch(bench.url + path.replaceAll(/\{\w+\}/g, "t-0.0"), { method });
        return [method, path, response.status, response.headers.get("www-authenticate")];
      }),
    );
    expect(answers).toEqual(asked.map((each) => [...each, 401, "Bearer"]));
  });

  it.each([
    `Bearer ${RED}x`,
    `Bearer ${RED.slice(1)}`,
    `Bearer ${sha256(RED)}`,
    `Basic ${RED}`,
    RED,
    "Bearer ",
  ])("refuses %j", async (authorization) => {
    const answer = await statusOf(await open(), "/v1/usage", { authorization });
    expect(answer).toEqual([401, "Bearer"]);
  });

  it("is not asked for where there is none", async () => {
    const bench = await open({});
    expect(await bench.client().GET("/v1/usage")).toMatchObject({ data: { tenant: "" } });
    const red = bench.client({ tenant: "red" });
    expect(await red.GET("/v1/usage")).toMatchObject({ data: { tenant: "red" } });
  });

  it("is asked for where only tenants have one, and where only the admin has", async () => {
    const tenants = await open({ tokens: { ...TOKENS, admin: null } });
    const admin = await open({ tokens: { admin: ADMIN, tenants: new Map() } });
    const nobody = { response: { status: 401 } };
    expect(await tenants.client().GET("/v1/usage")).toMatchObject(nobody);
    expect(await tenants.client({ token: ADMIN }).GET("/v1/usage")).toMatchObject(nobody);
    expect(await tenants.client({ token: RED }).GET("/v1/usage")).toMatchObject({
      data: { tenant: "red" },
    });
    expect(await admin.client().GET("/v1/usage")).toMatchObject(nobody);
    expect(await admin.client({ token: RED }).GET("/v1/usage")).toMatchObject(nobody);
  });

  it("leaves the API's description open", async () => {
    const response = await fetch(`${(await open()).url}/v1/openapi.json`);
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      expect.stringContaining("application/json"),
    ]);
  });
});

describe("the tenant", () => {
  it("is the token's own, which the header may say again", async () => {
    const bench = await open();
    for (const client of [
      bench.client({ token: RED }),
      bench.client({ token: RED, tenant: "red" }),
    ]) {
      expect(await client.GET("/v1/usage")).toMatchObject({ data: { tenant: "red" } });
    }
  });

  it("is no other than the token's own", async () => {
    const client = (await open()).client({ token: RED, tenant: "blue" });
    expect(await client.GET("/v1/usage")).toMatchObject({
      response: { status: 403 },
      error: { code: "tenant_forbidden" },
    });
  });

  it("is the admin's to name, and the default one where it names none", async () => {
    const bench = await open();
    expect(await bench.client({ token: ADMIN }).GET("/v1/usage")).toMatchObject({
      data: { tenant: "" },
    });
    expect(await bench.client({ token: ADMIN, tenant: "blue" }).GET("/v1/usage")).toMatchObject({
      data: { tenant: "blue" },
    });
  });

  it("is at most 128 visible ASCII characters", async () => {
    const bench = await open();
    const asked = (tenant: string) => bench.client({ token: ADMIN, tenant }).GET("/v1/usage");
    expect(await asked("t".repeat(128))).toMatchObject({ response: { status: 200 } });
    expect(await asked("t".repeat(129))).toMatchObject({
      response: { status: 400 },
      error: {
        errors: [{ field: "header.x-moorline-tenant", value: "t".repeat(64) }],
      },
    });
    expect(await asked("a, a")).toMatchObject({ response: { status: 400 } });
  });
});

describe("two tenants", () => {
  it("have a session of the same id each", async () => {
    const bench = await open();
    const [red, blue] = [bench.client({ token: RED }), bench.client({ token: BLUE })];
    const path = { params: { path: { id: "a" } } };
    for (const client of [red, blue]) {
      await client.POST("/v1/sessions", { body: { id: "a", model: "small" } });
    }
    await blue.DELETE("/v1/sessions/{id}", path);
    expect(await red.GET("/v1/sessions/{id}", path)).toMatchObject({ data: { tenant: "red" } });
  });

  const PROMPT = { prompt: { ids: [1] } };
  it.each([
    ["GET", "session", "/v1/sessions/{}"],
    ["PATCH", "session", "/v1/sessions/{}", { ttl_ms: 1 }],
    ["DELETE", "session", "/v1/sessions/{}"],
    ["POST", "session", "/v1/sessions/{}/fork", {}],
    ["POST", "session", "/v1/sessions/{}/attach", { segments: [] }],
    ["POST", "session", "/v1/sessions/{}/plan", PROMPT],
    ["POST", "session", "/v1/sessions/{}/explain", PROMPT],
    ["GET", "session", "/v1/sessions/{}/explain?ids=1"],
    ["GET", "session", "/v1/sessions/{}/segments"],
    ["POST", "turn", "/v1/turns/{}/commit", { ...PROMPT, fresh_kv_cache: [] }],
    ["POST", "turn", "/v1/turns/{}/abort", {}],
    ["GET", "prefix", "/v1/prefixes/{}"],
    ["DELETE", "prefix", "/v1/prefixes/{}"],
    ["GET", "segment", "/v1/segments/{}"],
    ["GET", "segment", "/v1/segments/{}/bytes"],
    ["POST", "segment", "/v1/segments/{}/url", { expires_in_ms: 1 }],
  ] as const)("%s of the other's %s is answered as of none: %s", async (...route) => {
    const [method, kind, path, body] = route;
    const bench = await open();
    const red = bench.client({ token: RED });
    await red.POST("/v1/sessions", { body: { id: "a", model: "small" } });
    const { listed } = await bench.turn(red, "a", ["one", ""]);
    await red.POST("/v1/prefixes", {
      body: { name: "p", session: "a", everyone: false, tenants: [] },
    });
    const { turn } = await bench.plan(red, "a", ["one two", 0]);
    const id = { session: "a", turn, prefix: "p", segment: listed[0]?.segment }[kind] ?? "";
    const none = { session: "z", turn: "z-0", prefix: "z", segment: "z-0.0" }[kind];

    const ask = async (token: string, name: string) => {
      const response = await fetch(bench.url + path.replace("{}", name), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, text: await response.text() };
    };
    const foreign = await ask(BLUE, id);
    expect(foreign).toEqual(await ask(BLUE, none));
    expect(foreign.status).toBe(kind === "turn" ? 409 : 404);
    expect((await ask(RED, id)).status).toBeLessThan(kind === "turn" ? 410 : 300);
  });
});

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
