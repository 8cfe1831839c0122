/**
 * A body of any request to a KV pool: cleaned of what only the service may send, and read as a turn where it is one.
 *
 * Where a key that matters comes twice or is spelled with an escape, it comes once and is spelled plainly before anything else, so that
 * what is read here and what the engine reads cannot differ.
 */
import { cutOutInSlices } from "../../../json/cut-out.ts";
import { objectShape, type ObjectShape } from "../../../json/json-members.ts";
import type { JsonVisitor } from "../../../json/json-walk.ts";
import { compileKeyNames, type KeyNames } from "../../../json/key-names.ts";
import type { Slices } from "../../../json/slices.ts";
import { splice, type Edit } from "../../../json/splice.ts";
import type {
  InjectedBody,
  Injection,
  NoTurn,
  ReadBody,
  TurnBody,
  UnreadableBody,
} from "../dialect.ts";
import { scanRegular, SERVICE_MEMBERS } from "../service-members.ts";
import { given, type FoundBody } from "./found-body.ts";
import { memberEdits, NULL } from "./member-edits.ts";
import { SESSION_MEMBERS, type RequestFormat, type TurnFacts } from "./request-format.ts";

/** How turns go on one path of an engine. */
export interface TurnRoute {
  readonly format: RequestFormat;
  readonly inject: Injector;
}

/** What of a turn's body is replaced, and how the answer to that is read. */
export type Injector = (body: FoundBody, facts: TurnFacts, injection: Injection) => Injected;

export interface Injected {
  readonly edits: readonly Edit[];
  readonly openAnswer: InjectedBody["openAnswer"];
}

const FORBIDDEN = compileKeyNames(SERVICE_MEMBERS);

/** What bodies are given that go on without KV. */
export interface PassingMembers {
  readonly members: Readonly<Record<string, unknown>>;
  /** Of the root, where there are no turns: with these members, so that none is there twice. */
  readonly shape: ObjectShape;
}

/** Every turn's format has them in its own shape. */
export function passingMembers(members: PassingMembers["members"]): PassingMembers {
  const names = Object.keys(members).map((name) => [name, null]);
  return {
    members,
    shape: objectShape({ wanted: { ...SESSION_MEMBERS, ...Object.fromEntries(names) } }),
  };
}

export interface BodyToRead {
  readonly body: Uint8Array;
  /** Members of the root that are the service's, besides those that are wherever they are. */
  readonly forbiddenAtRoot: KeyNames;
  readonly passing: PassingMembers;
  /** Of the request's path; undefined: there are no turns on it. */
  readonly route: TurnRoute | undefined;
  /** Told of the body while it is scanned. */
  readonly also: JsonVisitor | undefined;
}

export function forbiddenAtRoot(names: readonly string[]): KeyNames {
  return compileKeyNames([...SERVICE_MEMBERS, ...names]);
}

export function* readBody(request: BodyToRead): Slices<ReadBody | UnreadableBody> {
  const { body, route, also, passing } = request;
  const shape = route?.format.shape ?? passing.shape;
  const query = { root: shape, cut: FORBIDDEN, rootCut: request.forbiddenAtRoot };
  const scanned = yield* scanRegular(body, query, also);
  if (scanned.kind === "unreadable") return scanned;
  const { cutMembers: removed } = scanned;
  const { bytes, root } = yield* cutOutInSlices(scanned.bytes, scanned);
  if (root === undefined) return { kind: "body", stripped: [bytes], removed, turn: none("body") };
  const found = { bytes, root };
  const stripped = splice(bytes, [...memberEdits(root, passing.members), ...forgottenId(found)]);
  const turn = route === undefined ? none("path") : yield* readTurn(found, route);
  return { kind: "body", stripped, removed, turn };
}

/** An id beside what was removed was one for the service. An engine would refuse it: it knows no session of that name. */
function forgottenId(body: FoundBody): Edit[] {
  const object = given(body, "session_params")?.object;
  const id = object?.cutMembers === 0 ? undefined : object?.members.get("id");
  return id === undefined ? [] : [{ ...id.value, bytes: NULL }];
}

function* readTurn(body: FoundBody, { format, inject }: TurnRoute): Slices<TurnBody | NoTurn> {
  const facts = yield* format.read(body);
  if (typeof facts === "string") return none(facts);
  const { prompt, maxNewTokens, context } = facts;
  return {
    kind: "turn",
    prompt,
    maxNewTokens,
    context,
    inject: (injection) => {
      const { edits, openAnswer } = inject(body, facts, injection);
      // What is injected may have an id in place of the one that is forgotten: then that comes first.
      return {
        pieces: splice(body.bytes, [...edits, ...forgottenId(body)]),
        openAnswer,
      };
    },
  };
}

function none(reason: NoTurn["reason"]): NoTurn {
  return { kind: "none", reason };
}
