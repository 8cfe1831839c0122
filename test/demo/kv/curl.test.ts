import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { formatCurl, type SentRequest } from "../../../demo/kv/curl.ts";

const url = "http://127.0.0.1:9004/v1/sessions";
const plain: SentRequest = { method: "GET", url, tenant: null, body: "" };

/** What a shell gives to curl. */
async function argumentsOf(request: SentRequest): Promise<string[]> {
  const script = `curl() { printf '%s\\0' "$@"; }\n${formatCurl(request)}`;
  const { stdout } = await promisify(execFile)("sh", ["-c", script]);
  return stdout.split("\0").slice(0, -1);
}

describe("a request as a line for a shell", () => {
  it("needs no more than an address where it has no body", () => {
    expect(formatCurl(plain)).toBe(`curl -s ${url}`);
    expect(formatCurl({ ...plain, method: "DELETE" })).toBe(`curl -s -X DELETE ${url}`);
  });

  it("has token ids counted by the shell, which come to the same body", async () => {
    const ids = [...Array.from({ length: 150 }, (_, at) => at + 1), 9, 7, 8, 40, 41, 42, 43, 44];
    const body = JSON.stringify({ prompt: { ids }, max_new_tokens: 0 });
    const request = { ...plain, method: "POST", body };
    expect(formatCurl(request)).toContain(
      "[" + "'$(seq 1 150 | paste -sd, -)',9,7,8,'$(seq 40 44 | paste -sd, -)'" + "]",
    );
    expect(await argumentsOf(request)).toEqual(["-s", url, "--json", body]);
  });

  it("gives each field of a long body a line, which come to the same body", async () => {
    const fields = { id: "a".repeat(60), model: "b".repeat(60), tenants: [] };
    const request = { ...plain, method: "POST", body: JSON.stringify(fields) };
    expect(formatCurl(request).split("\n")).toHaveLength(4);
    const [, , , body = ""] = await argumentsOf(request);
    expect(JSON.parse(body)).toEqual(fields);
  });

  it("says nothing to the shell", async () => {
    const request = {
      method: "POST",
      url: `${url}?wait=settled&x=$HOME`,
      tenant: "it's `mine`",
      body: JSON.stringify({ id: "it's $(mine)" }),
    };
    expect(await argumentsOf(request)).toEqual([
      "-s",
      request.url,
      "-H",
      "x-moorline-tenant: it's `mine`",
      "--json",
      request.body,
    ]);
  });
});
