/** What a llama.cpp server says of itself: `GET /props`, `GET /slots` and `GET /lora-adapters`. */
import type { EngineInstance } from "../records.ts";
import { isCount, isObject, parseJson } from "./slot-answers.ts";
import type { SlotServerOffReason } from "./slot-server.ts";

export interface SlotProps {
  readonly slots: number;
  /** Tokens of one slot. */
  readonly contextTokens: number;
  /** As the server sees it, and was told: it may be a relative one. */
  readonly modelPath: string | undefined;
  /** Of the weights. */
  readonly ftype: string | undefined;
  /** Of the server's program. */
  readonly build: string | undefined;
  /** A text that each process makes up for itself. Another one is another process. */
  readonly mark: string | undefined;
  /** It has given its memory back until somebody asks for an answer, and its slots with it. */
  readonly isAsleep: boolean;
}

/** The same object as long as nothing that it says has changed. */
export interface SlotProcess extends SlotProps {
  readonly kind: "process";
  readonly instance: EngineInstance;
}

export type SlotStanding = SlotProcess | SlotOff;

export interface SlotOff {
  readonly kind: "off";
  readonly reason: SlotServerOffReason;
}

export interface ExpectedSlots {
  /** Of each server of the pool; undefined: as many as it says. */
  readonly slots: number | undefined;
  /** Of one slot. */
  readonly contextTokens: number | undefined;
}

/** In words where it is none: what is missing. */
export function parseProps(text: string): SlotProps | string {
  const said = parseJson(text);
  if (!isObject(said)) return "no JSON object";
  const settings = said["default_generation_settings"];
  const slots = said["total_slots"];
  const contextTokens = isObject(settings) ? settings["n_ctx"] : undefined;
  if (!isCount(slots) || slots === 0) return "no total_slots";
  if (!isCount(contextTokens) || contextTokens === 0) return "no n_ctx";
  return {
    slots,
    contextTokens,
    modelPath: textOf(said["model_path"]),
    ftype: textOf(said["model_ftype"]),
    build: textOf(said["build_info"]),
    mark: textOf(said["media_marker"]),
    isAsleep: said["is_sleeping"] === true,
  };
}

export function isSame(a: SlotProps, b: SlotProps): boolean {
  return (
    a.slots === b.slots &&
    a.contextTokens === b.contextTokens &&
    a.modelPath === b.modelPath &&
    a.ftype === b.ftype &&
    a.build === b.build &&
    a.mark === b.mark
  );
}

/** In words; undefined: none. */
export function difference(props: SlotProps, expected: ExpectedSlots): string | undefined {
  const { slots = props.slots, contextTokens = props.contextTokens } = expected;
  if (props.slots !== slots) return `total_slots ${props.slots}, not ${slots}`;
  return props.contextTokens === contextTokens
    ? undefined
    : `n_ctx ${props.contextTokens}, not ${contextTokens}`;
}

/**
 * Where it has any, what a slot holds may be an adapter's, and nothing that we know of the server says so: requests and operators put adapters into force as they like, and a request without one goes on
 * from what one with an adapter has left in the slot (b11549). Undefined: that is no list of adapters.
 */
export function hasAdapter(text: string): boolean | undefined {
  const list = parseJson(text);
  if (!Array.isArray(list) || !list.every(isObject)) return undefined;
  return list.length > 0;
}

function textOf(said: unknown): string | undefined {
  return typeof said === "string" && said !== "" ? said : undefined;
}
