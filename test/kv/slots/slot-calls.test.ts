import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ANSWER_LIMIT_BYTES } from "../../../src/kv/engines/engine-connection.ts";
import { FILE_TIMEOUT_MS, LOOK_TIMEOUT_MS, SlotCalls } from "../../../src/kv/slots/slot-calls.ts";
import { SlotFault } from "../../../src/kv/slots/slot-server.ts";
import type { StagedName } from "../../../src/kv/staging.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { RecordedLlama } from "../../support/recorded-llama.ts";
import { freshSlot, REFUSALS, restored, saved, usedSlot } from "../../support/recorded-slots.ts";
import { until } from "../../support/until.ts";

const NAME = "a_b-1.slot" as StagedName;
const never = new AbortController().signal;

let llama: RecordedLlama;
let clock: FakeClock;
let calls: SlotCalls;

beforeEach(async () => {
  llama = await RecordedLlama.start();
  clock = new FakeClock();
  calls = new SlotCalls({ target: llama.target, slots: 2, scheduler: clock });
});
afterEach(async () => {
  calls.close();
  await llama.kill();
});

function faultIn(result: unknown): SlotFault {
  expect(result).toBeInstanceOf(SlotFault);
  return result as SlotFault;
}

function faultOf(result: unknown): string {
  return faultIn(result).code;
}

function messageOf(result: unknown): string {
  return faultIn(result).message;
}

describe("the slots of a server", () => {
  it("are looked at as they are, in their order", async () => {
    const busy = { is_processing: true, id_task: 9, speculative: true };
    llama.slots = [usedSlot(1, busy), freshSlot(0)];

    expect(await calls.look(never)).toEqual([
      { id: 0, isBusy: false, task: undefined, tokens: 0, guesses: false },
      { id: 1, isBusy: true, task: 9, tokens: 6, guesses: true },
    ]);
    expect(llama.asked).toEqual(["GET /slots"]);
  });

  it("are saved, restored and erased by name", async () => {
    llama.answers("save", { body: saved(1, NAME) });
    llama.answers("restore", { body: restored(0, NAME) });
    llama.answers("erase", { body: { id_slot: 1, n_erased: 0 } });

    expect(await calls.save(1, NAME, never)).toEqual({ tokens: 6, bytes: 6392 });
    expect(await calls.restore(0, NAME, never)).toEqual({ tokens: 6, bytes: 6392 });
    expect(await calls.erase(1, never)).toBeUndefined();
    expect(llama.asked).toEqual([
      'POST /slots/1?action=save {"filename":"a_b-1.slot"}',
      'POST /slots/0?action=restore {"filename":"a_b-1.slot"}',
      "POST /slots/1?action=erase {}",
    ]);
  });

  it.each([-1, 2, 0.5, NaN])("are none beyond the last one, such as %s", async (slot) => {
    await expect(calls.save(slot, NAME, never)).rejects.toThrow("of 2");
    await expect(calls.erase(slot, never)).rejects.toThrow("of 2");
    expect(llama.asked).toEqual([]);
  });
});

describe("what a server says of its slots", () => {
  const one = freshSlot(1);
  it.each([
    ["no list", { slots: [] }],
    ["fewer than there are", [freshSlot(0)]],
    ["more than there are", [freshSlot(0), one, freshSlot(2)]],
    ["one of them twice", [one, one]],
    ["another one", [one, freshSlot(2)]],
    ["no object", [null, one]],
    ["no word on whether one is busy", [{ id: 0 }, one]],
    ["a fraction of a token", [usedSlot(0, { n_prompt_tokens: 1.5 }), one]],
    ["less than no tokens", [usedSlot(0, { n_prompt_tokens: -1 }), one]],
    ["tokens beyond whole numbers", [usedSlot(0, { n_prompt_tokens: 2 ** 53 }), one]],
    ["a task that is a text", [usedSlot(0, { id_task: "7" }), one]],
    ["no JSON", "[{"],
  ])("is not believed where it is %s", async (_claim, body) => {
    llama.answers("GET /slots", { body });

    expect(faultOf(await calls.look(never))).toBe("unsound");
  });

  it("may be that no request has run in one, by a task of -1", async () => {
    llama.slots = [usedSlot(0, { id_task: -1 }), freshSlot(1)];

    expect(await calls.look(never)).toMatchObject([{ task: undefined }, { task: undefined }]);
  });
});

describe("what a server says of a file", () => {
  it.each([
    ["of another slot", { ...saved(0, NAME) }],
    ["of another file", { ...saved(1, "other.slot") }],
    ["without tokens", { ...saved(1, NAME), n_saved: undefined }],
    ["with a text for its bytes", { ...saved(1, NAME), n_written: "6392" }],
    ["with bytes beyond whole numbers", { ...saved(1, NAME), n_written: 1e300 }],
    ["of what was restored", restored(1, NAME)],
    ["that is a list", []],
    ["that is no JSON", "OK"],
  ])("is not believed where it is an answer %s", async (_claim, body) => {
    llama.answers("save", { body });
    llama.answers("erase", { body });

    expect(faultOf(await calls.save(1, NAME, never))).toBe("unsound");
    expect(faultOf(await calls.erase(1, never))).toBe("unsound");
  });

  it.each([
    ["of another slot", { id_slot: 0, n_erased: 6 }],
    ["without a number", { id_slot: 1 }],
    ["of less than nothing", { id_slot: 1, n_erased: -1 }],
  ])("that was forgotten is not believed where it is %s", async (_claim, body) => {
    llama.answers("erase", { body });

    expect(faultOf(await calls.erase(1, never))).toBe("unsound");
  });

  it("may be that it refuses, with its words for it", async () => {
    llama.answers("save", { status: 501, body: { error: REFUSALS.noSavePath } });
    const fault = await calls.save(0, NAME, never);

    expect(fault).toMatchObject({ code: "refused", status: 501 });
    expect(messageOf(fault)).toContain("501 from POST /slots/0?action=save: This server does not");
  });

  it("is no more than fits into a line of a log", async () => {
    llama.answers("save", { status: 500, body: { error: { message: "x".repeat(10_000) } } });

    expect(messageOf(await calls.save(0, NAME, never)).length).toBeLessThan(400);
  });
});

describe("a server that does not answer", () => {
  it("is lost when it hangs up", async () => {
    llama.answers("GET /slots", "hang up");

    expect(faultOf(await calls.look(never))).toBe("lost");
  });

  it("is lost when nobody is there", async () => {
    await llama.kill();

    expect(messageOf(await calls.look(never))).toContain("ECONNREFUSED");
  });

  it.each([
    ["a look", LOOK_TIMEOUT_MS, (signal: AbortSignal) => calls.look(signal)],
    ["a save", FILE_TIMEOUT_MS, (signal: AbortSignal) => calls.save(0, NAME, signal)],
  ])("is lost to %s after %s ms, and not before", async (_claim, timeoutMs, call) => {
    llama.answers("GET /slots", "hang");
    llama.answers("save", "hang");
    let isOver = false;
    const result = call(never).finally(() => (isOver = true));
    await until(() => llama.asked.length === 1);
    await clock.advance(timeoutMs - 1);
    expect(isOver).toBe(false);
    await clock.advance(1);

    expect(messageOf(await result)).toContain(`no answer in ${timeoutMs} ms`);
    expect(clock.pendingTimers).toBe(0);
  });

  it("is waited for no longer than the caller waits", async () => {
    llama.answers("restore", "hang");
    const caller = new AbortController();
    const result = calls.restore(0, NAME, caller.signal);
    await until(() => llama.asked.length === 1);
    caller.abort();

    expect(faultOf(await result)).toBe("lost");
    expect(faultOf(await calls.look(AbortSignal.abort()))).toBe("lost");
  });

  it("is another one when the process is gone: nothing is asked of it any more", async () => {
    llama.answers("save", "hang");
    const result = calls.save(0, NAME, never);
    await until(() => llama.asked.length === 1);
    calls.close();
    calls.close();

    expect(faultOf(await result)).toBe("lost");
    expect(faultOf(await calls.look(never))).toBe("lost");
    expect(llama.asked.length).toBe(1);
  });

  it("is lost where its answer is endless", async () => {
    llama.answers("GET /slots", { body: `"${"x".repeat(ANSWER_LIMIT_BYTES)}"` });

    expect(messageOf(await calls.look(never))).toContain(`more than ${ANSWER_LIMIT_BYTES} bytes`);
  });

  it("is lost where its answer is cut short", async () => {
    const server = createTcpServer((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[{"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const cut = new SlotCalls({ target: { host: "127.0.0.1", port }, slots: 2, scheduler: clock });

    expect(faultOf(await cut.look(never))).toBe("lost");
    server.close();
  });
});

describe("what is asked at a time", () => {
  it("is one file for each slot, and does not keep anybody from looking", async () => {
    llama.answers("save", "hang");
    const saves = [0, 1, 0, 1].map((slot) => calls.save(slot, NAME, never));
    await until(() => llama.filesUnderWay === 2);

    expect(await calls.look(never)).toHaveLength(2);
    expect(llama.mostFilesUnderWay).toBe(2);
    calls.close();
    await Promise.all(saves);
  });
});
