import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { key } from "../../support/kv-desk.ts";
import { bodyOf, BytesStand, codeOf, LOGGED, type StoredBytes } from "./bytes-stand.ts";

const NOBODY = { headers: { "x-nobody": "1" } };
const HOUR_MS = 3_600_000;

describe("a signed URL", () => {
  let stand: BytesStand;
  let stored: StoredBytes;
  beforeEach(async () => {
    stand = await BytesStand.open();
    stored = await stand.durable("a");
    await stand.pin("a");
  });
  afterEach(async () => {
    expect(await stand.close()).toEqual([]);
    expect(LOGGED.splice(0)).toEqual([]);
  });

  function sign(id: string, expiresInMs: unknown, tenant = "t"): Promise<Response> {
    return fetch(`${stand.origin}/v1/segments/${id}/url`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-moorline-tenant": tenant },
      body: JSON.stringify({ expires_in_ms: expiresInMs }),
    });
  }

  async function signed(expiresInMs = 1_000): Promise<URL> {
    const { url } = (await (await sign(stored.id, expiresInMs)).json()) as { url: string };
    return new URL(url);
  }

  it("reads the segment for whoever holds it, in any part, and for no longer than it says", async () => {
    const url = await signed();
    expect(await bodyOf(await fetch(url, NOBODY))).toEqual(Buffer.from(stored.bytes));
    const range = await fetch(url, { headers: { ...NOBODY.headers, range: "bytes=0-1" } });
    expect(range.status).toBe(206);
    await range.arrayBuffer();
    expect((await fetch(`${url.href}&token_start=0`, { ...NOBODY, method: "HEAD" })).status).toBe(
      200,
    );
    stand.desk.nowMs += 999;
    expect((await fetch(url, { ...NOBODY, method: "HEAD" })).status).toBe(200);
    stand.desk.nowMs += 1;
    expect(await codeOf(await fetch(url, NOBODY))).toBe("403 url_expired");
  });

  it("leads to the listener itself, whatever the client calls it", async () => {
    const asked = request(`${stand.origin}/v1/segments/${stored.id}/url`, {
      method: "POST",
      headers: {
        host: "elsewhere.example",
        "x-forwarded-host": "elsewhere.example",
        "x-forwarded-proto": "https",
        "content-type": "application/json",
        "x-moorline-tenant": "t",
      },
    });
    asked.end(JSON.stringify({ expires_in_ms: 1_000 }));
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    const { url } = (await json(answer)) as { url: string };
    expect(url).toMatch(`${stand.origin}/v1/segments/${stored.id}/bytes?`);
  });

  it("leads to where clients find the listener, if that is configured", async () => {
    const publicUrl = "https://kv.example:8443/moorline";
    const elsewhere = await BytesStand.open({ publicUrl });
    const { id } = await elsewhere.durable("a");
    const answer = await fetch(`${elsewhere.origin}/v1/segments/${id}/url`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-moorline-tenant": "t" },
      body: JSON.stringify({ expires_in_ms: 1_000 }),
    });
    const { url } = (await answer.json()) as { url: string };
    expect(url).toMatch(`${publicUrl}/v1/segments/${id}/bytes?`);
    expect(await elsewhere.close()).toEqual([]);
  });

  it("says until when it is good", async () => {
    const answer = await (await sign(stored.id, 1_000)).json();
    expect(answer).toMatchObject({ expires_at_ms: stand.desk.nowMs + 1_000 });
  });

  it.each([
    ["another time", (url: URL) => url.searchParams.set("expires", "9999999999999")],
    ["another tenant", (url: URL) => url.searchParams.set("tenant", "u")],
    ["no signature", (url: URL) => url.searchParams.delete("signature")],
    ["an empty signature", (url: URL) => url.searchParams.set("signature", "")],
    ["half a signature", (url: URL) => halve(url)],
    ["a bit of the signature", (url: URL) => flip(url)],
    ["no time", (url: URL) => url.searchParams.delete("expires")],
  ])("with %s is as unknown as one of no segment", async (_, forge) => {
    const url = await signed();
    forge(url);
    expect(await codeOf(await fetch(url, NOBODY))).toBe("404 not_found");
  });

  it("is of one segment alone", async () => {
    const other = await stand.durable("a", 4, 4);
    const url = await signed();
    url.pathname = url.pathname.replace(stored.id, other.id);
    expect(await codeOf(await fetch(url, NOBODY))).toBe("404 not_found");
  });

  it("is of one tenant alone, though another may see the segment too", async () => {
    await stand.desk.createPrefix("t/paper", [stored.id], { to: ["u"] });
    const url = await signed();
    url.searchParams.set("tenant", "u");
    expect(await codeOf(await fetch(url, NOBODY))).toBe("404 not_found");
  });

  it("does not make its holder the tenant", async () => {
    const url = await signed();
    const write = await fetch(url, { ...NOBODY, method: "PUT", body: "x" });
    expect(write.status).toBeGreaterThanOrEqual(400);
    const other = await fetch(`${stand.origin}/v1/segments/${stored.id}/url${url.search}`, {
      method: "POST",
      headers: { ...NOBODY.headers, "content-type": "application/json" },
      body: JSON.stringify({ expires_in_ms: 1_000 }),
    });
    expect(await codeOf(other)).toBe("401 unauthorized");
  });

  it("shows nothing that its tenant may not see any more", async () => {
    const url = await signed(HOUR_MS);
    await stand.desk.catalog.end(key("a"), stand.desk.nowMs);
    expect(await codeOf(await fetch(url, NOBODY))).toBe("404 not_found");
  });

  it("is made of a durable segment of one's own, for up to the limit", async () => {
    const reserved = await stand.reserved("b");
    expect(await codeOf(await sign(reserved.id, 1_000))).toBe("404 not_found");
    expect(await codeOf(await sign(stored.id, 1_000, "u"))).toBe("404 not_found");
    expect(await codeOf(await sign("turn-9.0", 1_000))).toBe("404 not_found");
    expect((await sign(stored.id, HOUR_MS)).status).toBe(200);
    for (const wrong of [HOUR_MS + 1, 0, -1, 1.5, "1000", null]) {
      expect(await codeOf(await sign(stored.id, wrong))).toBe("400 request_invalid");
    }
  });
});

function halve(url: URL): void {
  url.searchParams.set("signature", (url.searchParams.get("signature") ?? "").slice(0, 32));
}

function flip(url: URL): void {
  const bytes = Buffer.from(url.searchParams.get("signature") ?? "", "hex");
  bytes[31] = (bytes[31] ?? 0) ^ 1;
  url.searchParams.set("signature", bytes.toString("hex"));
}
