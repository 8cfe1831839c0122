/**
 * A body of any request to a KV pool: cleaned of what only the service may send, and read as a turn where it is one.
 *
 * Where a key that matters comes twice or is spelled with an escape, it comes once and is spelled plainly before anything else, so that
 * what is read here and what the engine reads cannot differ.
 */
import { objectShape } from "../../../json/json-members.ts";
import type { JsonVisitor } from "../../../json/json-walk.ts";
import { compileKeyNames } from "../../../json/key-names.ts";
import type { Slices } from "../../../json/slices.ts";
import { splice, type Edit } from "../../../json/splice.ts";
import { answerOpener, type ReportPlace } from "../answers/open-answer.ts";
import type { Injection, NoTurn, ReadBody, TurnBody, UnreadableBody } from "../dialect.ts";
import { scanRegular, SERVICE_MEMBERS } from "../service-members.ts";
import { given, type FoundBody } from "./found-body.ts";
import { hasSegments, injectionEdits, NULL, usageEdits } from "./injection.ts";
import { SESSION_MEMBERS, type RequestFormat } from "./request-format.ts";

/** How turns go on one path of an engine. */
export interface TurnRoute {
  readonly format: RequestFormat;
  readonly place: ReportPlace;
  readonly exposeKv: boolean;
}

const FORBIDDEN = compileKeyNames(SERVICE_MEMBERS);

const ELSEWHERE = objectShape({ wanted: SESSION_MEMBERS });

export interface BodyToRead {
  readonly body: Uint8Array;
  /** Of the request's path; undefined: there are no turns on it. */
  readonly route: TurnRoute | undefined;
  /** Told of the body while it is scanned. */
  readonly also: JsonVisitor | undefined;
}

export function* readBody({ body, route, also }: BodyToRead): Slices<ReadBody | UnreadableBody> {
  const query = { root: route?.format.shape ?? ELSEWHERE, cut: FORBIDDEN };
  const scanned = yield* scanRegular(body, query, also);
  if (scanned.kind === "unreadable") return scanned;
  const { bytes, root, cuts, cutMembers: removed } = scanned;
  if (root === undefined) {
    return { kind: "body", stripped: splice(bytes, cuts), removed, turn: none("body") };
  }
  const found = { bytes, root, cuts };
  const stripped = splice(bytes, [...cuts, ...forgottenId(found)]);
  const turn = route === undefined ? none("path") : readTurn(found, route);
  return { kind: "body", stripped, removed, turn };
}

/** An id beside what was removed was one for the service. An engine would refuse it: it knows no session of that name. */
function forgottenId(body: FoundBody): Edit[] {
  const object = given(body, "session_params")?.object;
  const id = object?.cutMembers === 0 ? undefined : object?.members.get("id");
  return id === undefined ? [] : [{ ...id.value, bytes: NULL }];
}

function readTurn(body: FoundBody, route: TurnRoute): TurnBody | NoTurn {
  const { format, place, exposeKv } = route;
  const facts = format.read(body);
  if (typeof facts === "string") return none(facts);
  const { needsUsage, ...turn } = facts;
  return {
    kind: "turn",
    ...turn,
    inject: (injection) => {
      const addsUsage = needsUsage && injection.tellsUsage !== true && hasSegments(injection);
      // What is injected may have an id in place of the one that is forgotten: then that comes first.
      const edits = [...injectionEdits(body, place, injection), ...forgottenId(body)];
      if (addsUsage) edits.push(...usageEdits(body));
      return {
        pieces: splice(body.bytes, [...body.cuts, ...edits]),
        openAnswer: answerOpener({
          place,
          exposeKv,
          removesUsage: addsUsage,
          named: namedIn(injection),
        }),
      };
    },
  };
}

/** By which an answer may name what was injected, in words of its own. */
function namedIn({ engineSession, stored, fresh }: Injection): readonly string[] {
  return [engineSession, ...new Set([...stored, ...fresh].map(({ kvUri }) => kvUri))];
}

function none(reason: NoTurn["reason"]): NoTurn {
  return { kind: "none", reason };
}
