/** Asks a computing engine, and says what it answers as plain objects. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ComputingEngine } from "./computing-engine.ts";

/** A member that the test looks into by name. */
// oxlint-disable-next-line typescript/no-explicit-any -- an answer is JSON of many shapes, each read by one test
export type Json = any;

export interface EngineReply {
  readonly status: number;
  readonly body: Json;
}

export async function post(
  engine: Pick<ComputingEngine, "url">,
  path: string,
  body: object,
): Promise<EngineReply> {
  const response = await fetch(engine.url + path, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

/** The data of each server-sent event; `[DONE]` as that text. */
export async function postForEvents(
  engine: Pick<ComputingEngine, "url">,
  path: string,
  body: object,
): Promise<Json[]> {
  const response = await fetch(engine.url + path, {
    method: "POST",
    body: JSON.stringify({ ...body, stream: true }),
  });
  const text = await response.text();
  return text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => event.replace(/^data: /, ""))
    .map((data) => (data === "[DONE]" ? data : JSON.parse(data)));
}

/** Ids of text, never the same twice in a row. */
export function someIds(count: number, seed = 1): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 2 + (state % 340);
  });
}

/** An empty file that the engine may write; its URI. */
export async function touch(engine: ComputingEngine, name: string): Promise<string> {
  await writeFile(join(engine.root, name), "");
  return `file:///${name}`;
}

/** What the engine counts of itself. */
export async function serverState(engine: Pick<ComputingEngine, "url">): Promise<Json> {
  const response = await fetch(`${engine.url}/get_server_info`);
  const { internal_states: states } = (await response.json()) as { internal_states: Json[] };
  return states[0];
}
