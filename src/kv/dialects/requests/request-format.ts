/** What the requests of all paths have in common, and what reading one of them gives. */
import { objectShape, type ObjectShape } from "../../../json/json-members.ts";
import type { Slices } from "../../../json/slices.ts";
import type { ChainContext } from "../../chain/chain-format.ts";
import type { NoTurnReason, Prompt } from "../dialect.ts";
import { given, isEmptyList, isFalse, isList, readString, type FoundBody } from "./found-body.ts";

/** The requests of one path of an engine. */
export interface RequestFormat {
  /** Of the root. Has the members of `SESSION_MEMBERS`. */
  readonly shape: ObjectShape;
  read(body: FoundBody): Slices<TurnFacts | NoTurnReason>;
}

export interface TurnFacts {
  readonly prompt: Prompt;
  readonly maxNewTokens: number | undefined;
  readonly context: ChainContext;
  /** Its answer would tell no counts of tokens, as it asks for none. */
  readonly needsUsage: boolean;
}

/** Of SGLang's own sessions: where one is given, the prompt is not what the request says. */
const OWN_SESSION = ["rid", "offset", "replace", "drop_previous_output"];

export const SESSION_MEMBERS = {
  session_params: objectShape({
    wanted: Object.fromEntries(["id", ...OWN_SESSION].map((name) => [name, null])),
  }),
};

/** Top-level members that a turn cannot have, unless they are null, false or an empty list, with the reason. */
export type RefusedMembers = Readonly<Record<string, NoTurnReason>>;

/** Why a request has no turn, as far as its prompt need not be read for that. `model` must be wanted. */
export function refusal(body: FoundBody, refused: RefusedMembers): NoTurnReason | undefined {
  const reason = nativeSession(body) ?? modelRefusal(body);
  if (reason !== undefined) return reason;
  for (const [name, why] of Object.entries(refused)) {
    const member = given(body, name);
    if (member === undefined || isFalse(body, member.value)) continue;
    if (!isEmptyList(body, member.value)) return why;
  }
  return body.root.hasUnknown ? "unknown_field" : undefined;
}

function nativeSession(body: FoundBody): NoTurnReason | undefined {
  const params = given(body, "session_params");
  if (params === undefined) return undefined;
  if (isList(body, params.value)) return "batch";
  const { object } = params;
  if (object === undefined) return "body";
  if (object.hasUnknown) return "unknown_field";
  const isNative = OWN_SESSION.some((name) => given(body, name, object) !== undefined);
  // Beside members that only the service sends, it is an id for the service.
  const isNamed = given(body, "id", object) !== undefined && object.cutMembers === 0;
  return isNative || isNamed ? "native_session" : undefined;
}

/** SGLang takes what follows a colon for the name of a LoRA adapter, whose KV is not the model's. */
function modelRefusal(body: FoundBody): NoTurnReason | undefined {
  const member = given(body, "model");
  if (member === undefined) return undefined;
  const model = readString(body, member.value);
  if (model === undefined) return "body";
  return model.includes(":") ? "adapter" : undefined;
}

/** Undefined: one is no string. */
export function readContext(body: FoundBody): ChainContext | undefined {
  const [key, salt] = [given(body, "extra_key"), given(body, "cache_salt")];
  const extraKey = key && readString(body, key.value);
  const cacheSalt = salt && readString(body, salt.value);
  const isUnread = (key && extraKey === undefined) || (salt && cacheSalt === undefined);
  return isUnread ? undefined : { extraKey, cacheSalt };
}

/** A count of tokens or answers, as JSON gave it. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
