/** What turns of texts reuse, where nobody but the engine tokenises. */
import { afterEach, describe, expect, it } from "vitest";

import type { Catalog } from "../../../src/kv/catalog.ts";
import { SpecialStrings } from "../../../src/kv/text/special-strings.ts";
import { RETENTION } from "../../support/kv-desk.ts";
import { freshOf, session, spans, turnOf } from "../../support/turn-bench.ts";
import { FOUR_PLANES, GUESS, markedBytes, textOf, TextTurns } from "../../support/text-turns.ts";
import { Benches, CATALOGS } from "./catalogs.ts";

/** 41 bytes, of which the last special string begins at 36. */
const FIRST = "<s>one two three four five six seven<s>A:";
const SECOND = `${FIRST} eight<s>nine<s>A:`;
const TOKEN_BYTES = 8;
const THIRD = `${SECOND} ten<s>`;

describe.each(CATALOGS)("turns of texts over the $name catalog", (kind) => {
  const benches = new Benches(kind);
  afterEach(async () => expect(await benches.close()).toEqual([]));

  function opened(around?: (catalog: Catalog) => Catalog): Promise<TextTurns> {
    return openedWith({}, around);
  }

  async function openedWith(
    options: Parameters<Benches["open"]>[0],
    around?: (catalog: Catalog) => Catalog,
  ): Promise<TextTurns> {
    const forTexts = { profile: FOUR_PLANES, fileNames: "random" } as const;
    const bench = await benches.open({ ...forTexts, ...options }, around);
    await bench.create("a");
    return new TextTurns(bench);
  }

  it("reserves twice the tokens that it guesses, and no more than the text can have", async () => {
    const text = await opened();
    const plan = await text.plan(FIRST);
    expect(plan).toMatchObject({ stored: [], promptTokens: GUESS });
    expect(spans(freshOf(plan))).toEqual([[0, 2 * GUESS]]);
    await text.bench.desk.abort(turnOf(plan), "client_gone");
    expect(spans(freshOf(await text.plan("ten bytes.")))).toEqual([[0, 12]]);
  });

  it("lists the whole pages before the last special string for texts that go on behind it", async () => {
    const text = await opened();
    await text.turn(FIRST, 20); // at most 5 of them stand behind the string or are none of the text
    expect(await text.found(SECOND)).toEqual([[0, 12]]);
    expect(await text.found(FIRST.replace("A:", "else"))).toEqual([[0, 12]]);
  });

  it("lists all whole pages for texts that go on with a special string", async () => {
    const text = await opened();
    await text.turn(FIRST, 20);
    expect(await text.found(`${FIRST}<s>`)).toEqual([
      [0, 12],
      [12, 4],
    ]);
    await text.turn("a document without any", 14);
    expect(await text.found("a document without any<s>question")).toEqual([[0, 12]]);
  });

  it("lists nothing that was stored while texts were split at other strings", async () => {
    const text = await opened();
    await text.turn(FIRST, 20);
    const corrected = await new SpecialStrings(["<s>", "A:"]).split(SECOND, async () => {});
    if (corrected === undefined) throw new Error("no text");
    const prompt = { ...(await textOf(SECOND)), text: corrected };
    const asked = { session: session("a"), maxNewTokens: 0, engine: undefined, prompt };
    expect((await text.bench.desk.plan(asked)).stored).toEqual([]);
  });

  it("guesses more tokens than it lists", async () => {
    const text = await opened();
    await text.turn(FIRST, 34);
    expect(await text.plan(SECOND)).toMatchObject({ storedTokens: 28, promptTokens: 29 });
  });

  it("lists nothing for texts that may have other tokens there", async () => {
    const text = await opened();
    await text.turn("a document without any", 14);
    expect(await text.found("a document without any and more<s>")).toEqual([]);
    expect(await text.found("a document without an<s>")).toEqual([]);
    await text.turn(FIRST, 20);
    expect(await text.found(FIRST.replace("<s>A:", "< s>A:"))).toEqual([]);
    expect(await text.found(FIRST.replace("seven", "SEVEN"))).toEqual([]);
  });

  it("goes on from what it has, turn after turn, and gives each part as a segment of its own tokens", async () => {
    const text = await opened();
    await text.turn(FIRST, 20);
    const second = await text.turn(SECOND, 28);
    expect(spans(freshOf(second))).toEqual([[12, 2 * GUESS - 12]]);
    const third = await text.plan(THIRD);
    expect(spans(third.stored)).toEqual([
      [0, 12],
      [12, 8],
    ]);
    for (const segment of third.stored) {
      const { tokenStart, tokenLength } = segment;
      expect(await text.read(segment)).toEqual(markedBytes(tokenStart, tokenLength));
    }
  });

  it("copies nothing where the engine has written no more than may be listed", async () => {
    const text = await opened();
    const plan = await text.plan(FIRST);
    await text.commit(plan, [20, 15]);
    await text.bench.desk.settled();
    const [stored] = (await text.plan(SECOND)).stored;
    expect(stored).toEqual({ ...freshOf(plan)[0], tokenLength: 12 });
  });

  it("lists nothing where nobody knows of a whole page that it stands before an end", async () => {
    const text = await opened();
    const plan = await text.plan(FIRST);
    const outcome = await text.commit(plan, [4, 24]);
    const settled = outcome.kind === "accepted" ? await outcome.settled : outcome;
    expect(settled).toMatchObject([{ kind: "dropped", reason: "no_boundary" }]);
    expect(await text.found(`${FIRST}<s>`)).toEqual([]);
    expect(freshOf(await text.plan(FIRST))[0]?.kvUri).not.toBe(freshOf(plan)[0]?.kvUri);
  });

  it("keeps texts apart from tokens", async () => {
    const text = await opened();
    await text.turn(FIRST, 20);
    expect((await text.bench.plan("a", SECOND)).stored).toEqual([]);
  });

  it("takes no commit of another text than was planned", async () => {
    const text = await opened();
    const plan = await text.plan(FIRST);
    await text.bench.create("b");
    const other = await text.plan(`${FIRST} `, "b");
    expect(await text.commit(plan, [20, 24], other)).toEqual({
      kind: "conflict",
      reason: "other_prompt",
    });
  });

  it("makes a prefix of all parts of a session, one behind the other", async () => {
    const text = await opened();
    await text.turn(FIRST, 20);
    await text.turn(SECOND, 28);
    const prefix = { tenant: "", name: "paper" };
    const asked = { prefix, session: "a", tokens: 20, to: ["u"], ttlMs: undefined };
    expect(await text.bench.sessions.createPrefix(asked)).toMatchObject({ kind: "created" });
    await text.bench.create("u/b");
    await text.bench.desk.end(session("a"));
    expect(await text.found(THIRD, "u/b")).toEqual([
      [0, 12],
      [12, 8],
    ]);
  });

  it("makes a prefix of both parts of what was written at once", async () => {
    const text = await opened();
    await text.turn(FIRST, 20);
    const prefix = { tenant: "", name: "paper" };
    const asked = { prefix, session: "a", tokens: 16, to: [], ttlMs: undefined };
    await text.bench.sessions.createPrefix(asked);
    const segments = await text.bench.catalog.prefixSegments(prefix);
    expect(segments.map(({ tokenLength }) => tokenLength)).toEqual([12, 4]);
  });

  it("finds after a restart what it had", async () => {
    const text = await opened();
    await text.turn(FIRST, 20);
    text.bench.restart();
    expect(await text.found(SECOND)).toEqual([[0, 12]]);
  });

  it("lists nothing whose bytes are not those that were verified", async () => {
    const text = await opened();
    text.bench.verifier.verdict = async () => {
      const stat = { sizeBytes: 320, identity: "1:1", content: "1", modifiedAtMs: 1 };
      return { kind: "durable", crc: 1, stat };
    };
    await text.turn(FIRST, 20);
    expect(text.bench.seen).toContain("settled dropped");
    expect(await text.found(SECOND)).toEqual([]);
  });

  it("lists what could be copied, where there is no room for more", async () => {
    let copies = 0;
    const text = await opened((catalog) => ({
      ...catalog,
      openCut: (request) =>
        ++copies === 1 ? catalog.openCut(request) : Promise.resolve("no_space"),
    }));
    await text.turn(FIRST, 20);
    expect(copies).toBe(2);
    expect(await text.found(`${FIRST}<s>`)).toEqual([[0, 12]]);
  });

  it("asks for room for what could not be copied, at the priority of its session", async () => {
    const [written, first, second] = [40 * TOKEN_BYTES, 28 * TOKEN_BYTES, 4 * TOKEN_BYTES];
    const text = await openedWith({ diskBytes: written + first + second - 1 });
    await text.turn(FIRST, 34);
    const { priority } = RETENTION;
    expect(text.bench.pressures).toEqual([{ location: "disk", priority, bytes: second }]);
    expect(await text.found(`${FIRST}<s>`)).toEqual([[0, 28]]);
  });
});
