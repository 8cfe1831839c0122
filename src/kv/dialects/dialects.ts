/** The dialects: on which paths an engine takes KV, in which form, and where its answers report it. */
import { atOnce } from "../../json/slices.ts";
import type { ReportPlace } from "./answers/open-answer.ts";
import type { Dialect, DialectName } from "./dialect.ts";
import { chatRequest } from "./requests/chat-request.ts";
import { generateRequest } from "./requests/generate-request.ts";
import { readBody, type TurnRoute } from "./requests/read-body.ts";
import type { RequestFormat } from "./requests/request-format.ts";

export interface DialectOptions {
  readonly name: DialectName;
  /** The engine's reports are left in what clients get. */
  readonly exposeKv: boolean;
}

type Paths = Readonly<Record<string, { format: RequestFormat; place: ReportPlace }>>;

const PATHS: Readonly<Record<DialectName, Paths>> = {
  // Its engines take KV in their own requests only; what a chat says of sessions they ignore.
  "sglang-session": {
    "/generate": { format: generateRequest, place: "session_params" },
  },
  "sglang-explicit": {
    "/generate": { format: generateRequest, place: "kvcache_params" },
    "/v1/chat/completions": { format: chatRequest, place: "kv_transfer_params" },
  },
};

export function createDialect({ name, exposeKv }: DialectOptions): Dialect {
  const routes = new Map<string, TurnRoute>();
  for (const [path, route] of Object.entries(PATHS[name])) routes.set(path, { ...route, exposeKv });
  // Engines of this dialect begin a session by a `fresh_kv_cache` with something in it, and refuse a request of one that they do not
  // know: `handle_generate_request` of sgl-project/sglang#14994, in `scheduler.py`.
  const loadsAlone = name !== "sglang-session";
  const takesChats = Object.values(PATHS[name]).some(({ format }) => format === chatRequest);
  const readBodyInSlices: Dialect["readBodyInSlices"] = (path, body, also) =>
    readBody({ body, route: routes.get(path), also });
  return {
    name,
    loadsAlone,
    takesChats,
    readBody: (path, body) => atOnce(readBodyInSlices(path, body)),
    readBodyInSlices,
  };
}
