/** What a server says of its slots. Nothing is believed that is not of its type, or of another slot than was asked for: `undefined` then. */
import type { SlotFile, SlotLook } from "./slot-server.ts";

export type SlotAction = "save" | "restore" | "erase";

/** Of as many slots as there are, in the order of their ids. */
export function parseLooks(text: string, slots: number): readonly SlotLook[] | undefined {
  const list = parseJson(text);
  if (!Array.isArray(list) || list.length !== slots) return undefined;
  const looks = (list as unknown[]).map(lookOf);
  if (!looks.every((look) => look !== undefined)) return undefined;
  const ordered = looks.toSorted((a, b) => a.id - b.id);
  return ordered.every(({ id }, index) => id === index) ? ordered : undefined;
}

/** A slot in which nothing ran yet says nothing of a task and of tokens. */
function lookOf(item: unknown): SlotLook | undefined {
  if (!isObject(item)) return undefined;
  const { id, is_processing: isBusy, id_task: task = NO_TASK, n_prompt_tokens: tokens = 0 } = item;
  if (!isCount(id) || typeof isBusy !== "boolean" || !isCount(tokens)) return undefined;
  if (task !== NO_TASK && !isCount(task)) return undefined;
  const guesses = item["speculative"] === true;
  return { id, isBusy, task: task === NO_TASK ? undefined : task, tokens, guesses };
}

const NO_TASK = -1;

/** Of a file that was saved or restored. */
export function parseSlotFile(text: string, asked: AskedFile): SlotFile | undefined {
  const said = parseJson(text);
  if (!isObject(said)) return undefined;
  const { id_slot: slot, filename } = said;
  if (slot !== asked.slot || filename !== asked.name) return undefined;
  const isSave = asked.action === "save";
  const [tokens, bytes] = isSave
    ? [said["n_saved"], said["n_written"]]
    : [said["n_restored"], said["n_read"]];
  return isCount(tokens) && isCount(bytes) ? { tokens, bytes } : undefined;
}

export interface AskedFile {
  readonly action: Exclude<SlotAction, "erase">;
  readonly slot: number;
  readonly name: string;
}

export function isErased(text: string, slot: number): boolean {
  const said = parseJson(text);
  return isObject(said) && said["id_slot"] === slot && isCount(said["n_erased"]);
}

/** Why it was refused, in the server's own words; empty where it says none. */
export function refusalOf(text: string): string {
  const said = parseJson(text);
  const error = isObject(said) ? said["error"] : undefined;
  const message = isObject(error) ? error["message"] : undefined;
  return typeof message === "string" ? message.slice(0, MESSAGE_LIMIT) : "";
}

/** It ends up in a log line. */
const MESSAGE_LIMIT = 200;

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
