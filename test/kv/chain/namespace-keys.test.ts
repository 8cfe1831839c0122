import { createHmac } from "node:crypto";
import { expect, it } from "vitest";

import { createDigests } from "../../../src/digests.ts";
import { NamespaceKeys } from "../../../src/kv/chain/namespace-keys.ts";

const secret = Buffer.from("a secret of thirty-two bytes, or so");
const keys = new NamespaceKeys(secret, createDigests());

function hmac(text: string): Buffer {
  return createHmac("sha256", secret).update(text).digest();
}

it("derives the key of a tenant and of a prefix from the one secret", () => {
  expect(keys.tenant("t")).toEqual(hmac("tenant\0t"));
  expect(keys.tenant("")).toEqual(hmac("tenant\0"));
  expect(keys.prefix({ tenant: "t", name: "paper" })).toEqual(hmac("prefix\0t\0paper"));
});

it("has another key for every namespace, and for every secret", () => {
  const others = new NamespaceKeys(
    Buffer.from("another secret of as many bytes ..."),
    createDigests(),
  );
  const all = [
    keys.tenant("t"),
    keys.tenant(""),
    keys.prefix({ tenant: "t", name: "p" }),
    keys.prefix({ tenant: "", name: "p" }),
    keys.prefix({ tenant: "t", name: "q" }),
    others.tenant("t"),
  ];
  expect(new Set(all.map((key) => Buffer.from(key).toString("hex"))).size).toBe(all.length);
});
