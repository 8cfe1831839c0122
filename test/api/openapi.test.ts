/** The committed description and the client's types are those of the schemas that validate. */
import { createConfig, lintFromString } from "@redocly/openapi-core";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";

import { describeKvApi } from "../../src/api/description.ts";

const DOCUMENT = new URL("../../openapi.json", import.meta.url);
const TYPES = new URL("../../client/schema.d.ts", import.meta.url);

describe("openapi.json", () => {
  it("is what the schemas give: `npm run gen:client` writes it", async () => {
    const committed = JSON.parse(await readFile(DOCUMENT, "utf8")) as unknown;
    expect(JSON.parse(JSON.stringify(await describeKvApi()))).toEqual(committed);
  });

  it("passes the recommended rules of Redocly", async () => {
    const source = await readFile(DOCUMENT, "utf8");
    const config = await createConfig({ extends: ["recommended"] });
    const problems = await lintFromString({ source, config });
    const told = problems.map(({ ruleId, message, location }) => {
      return `${ruleId}: ${message} at ${location[0]?.pointer ?? ""}`;
    });
    expect(told).toEqual([]);
  });
});

it("the client's types were made from this openapi.json", async () => {
  const hash = createHash("sha256")
    .update(await readFile(DOCUMENT))
    .digest("hex");
  const [first] = (await readFile(TYPES, "utf8")).split("\n");
  expect(first).toContain(`openapi.json of SHA-256 ${hash} `);
});

it("describes the bytes of a segment for HEAD as for GET, with the headers asked and answered", async () => {
  const { paths } = (await describeKvApi()) as Described;
  const { get, head } = paths["/v1/segments/{id}/bytes"] ?? {};
  const asked = ["range", "if-range", "if-match", "if-none-match", "x-moorline-tenant"];
  for (const operation of [get, head]) {
    expect(operation?.parameters.map(({ name }) => name)).toEqual(expect.arrayContaining(asked));
  }
  const answered = (status: string) => Object.keys(get?.responses[status]?.headers ?? {});
  expect(answered("206")).toEqual(["etag", "x-moorline-crc32", "accept-ranges", "content-range"]);
  expect(answered("416")).toEqual(["content-range"]);
  expect(head?.responses["200"]?.headers).toHaveProperty("etag");
});

interface Described {
  readonly paths: Readonly<Record<string, Partial<Record<"get" | "head", Operation>>>>;
}

interface Operation {
  readonly parameters: readonly { readonly name: string }[];
  readonly responses: Readonly<Record<string, { readonly headers?: object }>>;
}
