import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { runNpm } from "../../support/npm.ts";

async function runDemo(signalAt?: { readonly text: string; readonly signal: NodeJS.Signals }) {
  const folder = await mkdtemp(join(tmpdir(), "moorline-demo-"));
  onTestFinished(async () => rm(folder, { recursive: true }));
  const run = await runNpm({
    args: ["run", "--silent", "demo", "--", "kv"],
    env: { TMPDIR: folder },
    ...(signalAt === undefined ? {} : { signalAt }),
  });
  const left = await readdir(folder); // npm keeps its compiled code there
  return { ...run, left: left.filter((name) => name.startsWith("moorline")) };
}

it("`npm run demo -- kv` shows the whole life of what is stored, and leaves nothing behind", async () => {
  const { code, stdout, stderr, left } = await runDemo();
  expect({ code, stderr, left }).toEqual({ code: 0, stderr: "", left: [] });
  const told = stdout
    .split("\n")
    .filter((line) => /^(\d\.|\d+ claims| +(ok|token_start))/.test(line));
  expect(told.map((line) => line.trim())).toEqual([
    "1. The design's example: two turns are stored, and a third is planned.",
    "ok: tokens [0, 113) are proven, synced, and listed from now on",
    "ok: tokens [113, 213) are proven, synced, and listed from now on",
    "token_start     0   token_length   113   kv_start          0",
    "token_start   113   token_length   100   kv_start 16,662,528",
    "token_start   213   token_length 1,213   kv_start 31,408,128",
    "ok: both lists are those of the design, number by number",
    "ok: the bytes that are listed are those that were written",
    "2. The user edits the conversation: from token 150 on it is another.",
    "ok: the first turn's 113 tokens are kept: segments are reused whole, or not at all",
    "ok: the second turn's segment is named as what this prompt cannot use",
    "token_start     0   token_length   113   kv_start          0",
    "token_start   113   token_length    87   kv_start          0",
    "ok: it stores in another file: the engine of the aborted turn may still write in the first",
    "ok: both branches are there: 213 tokens as it was, 200 as it is now",
    "3. A fork: the same conversation goes on twice.",
    "ok: the fork lists the 3 segments of its parent, the same ones",
    expect.stringMatching(/^ok: no byte was copied: (.*) MB on disk before, \1 MB after$/),
    "token_start     0   token_length   113   kv_start          0",
    "token_start   113   token_length   100   kv_start 16,662,528",
    "token_start   213   token_length    50   kv_start          0",
    "ok: it loads from its parent's file, what the parent wrote",
    "ok: it stores in a file of its own",
    "ok: the disk has 7.4 MB more: what is the fork's alone",
    '4. Tenants: "north" and "south" send text that is stored.',
    "ok: the default tenant would find 113 tokens of it; they find none",
    'ok: "north" finds 113 tokens, "south" 0',
    "token_start     0   token_length   113   kv_start          0",
    "token_start   113   token_length    27   kv_start          0",
    'ok: "north" loads what the default tenant wrote, and stores what follows for itself',
    "ok: asked for by the default tenant, that segment is answered 404, as if there were none",
    "5. kill -9 of the service, twice.",
    "ok: what was acknowledged is there: 40 tokens, their bytes as they were written",
    "ok: the catalog agrees with itself and with the files, and every listed byte with its CRC",
    "ok: what was not acknowledged is not listed: 40 tokens as before",
    "ok: its bytes are proven, and listed from now on: 1 segment more",
    '6. An expiry: class "brief" keeps what nobody uses for 2.0 s.',
    expect.stringMatching(
      /^ok: after \d+\.\d s its segment is gone, and nobody is charged for it$/,
    ),
    "ok: its file is still there: an engine that was given it may still write",
    expect.stringMatching(/^ok: after 1\d\.\d s its file is gone$/),
    expect.stringMatching(/^ok: the disk is as it was: /),
    expect.stringMatching(/^25 claims were compared with what happened, and held, in /),
  ]);
}, 120_000);

it.each([
  ["SIGTERM", 143, "KV API at"],
  ["SIGINT", 130, "kill -9 of the service"],
  ["SIGINT", 130, "moorline kv check"],
  ["SIGTERM", 143, "Waiting for the quarantine"],
] as const)(
  "%s to `npm run demo -- kv` ends it with %i after '%s', and removes its files",
  async (signal, expected, text) => {
    const { code, stdout, stderr, left } = await runDemo({ text, signal });
    expect({ code, stderr, left }).toEqual({ code: expected, stderr: "", left: [] });
    expect(stdout).toMatch(/\nStopping\.\n$/);
  },
  60_000,
);

it("`npm run demo` says which demos there are, and runs no other", async () => {
  const run = await runNpm({ args: ["run", "--silent", "demo", "--", "engine"] });
  expect(run).toMatchObject({
    code: 2,
    stdout: "",
    stderr: "usage: demo [routing|turns|kv|llama] [--keep]\n",
  });
});
