/** The dialects: on which paths an engine takes KV, in which form, and where its answers report it. */
import { atOnce } from "../../json/slices.ts";
import type { Dialect, DialectName } from "./dialect.ts";
import { chatRequest } from "./requests/chat-request.ts";
import { generateRequest, sessionRequest } from "./requests/generate-request.ts";
import { forbiddenAtRoot, passingMembers, readBody, type TurnRoute } from "./requests/read-body.ts";
import { segmentInjector } from "./requests/segment-injection.ts";
import { SLOT_MEMBER, slotInjector } from "./requests/slot-injection.ts";
import { slotChatRequest, slotCompletionRequest } from "./requests/slot-request.ts";

export interface DialectOptions {
  readonly name: DialectName;
  /** The engine's reports are left in what clients get. */
  readonly exposeKv: boolean;
  /** Of several tenants, who are to notice nothing of each other. Default: one. */
  readonly isShared?: boolean | undefined;
}

interface Traits extends Pick<Dialect, "injects" | "loadsAlone" | "takesChats"> {
  /** Members of the root that clients may not send. */
  readonly forbidden: readonly string[];
  /** Members that a request without KV has at the root, where several tenants share the engines. */
  readonly unshared: Readonly<Record<string, unknown>>;
  readonly routes: (exposeKv: boolean) => Readonly<Record<string, TurnRoute>>;
}

const TRAITS: Readonly<Record<DialectName, Traits>> = {
  "sglang-session": {
    injects: "segments",
    // Its engines begin a session by a `fresh_kv_cache` with something in it, and refuse a request of one that they do not know:
    // `handle_generate_request` of sgl-project/sglang#14994, in `scheduler.py`.
    loadsAlone: false,
    takesChats: false,
    forbidden: [],
    unshared: {},
    // Its engines take KV in their own requests only; what a chat says of sessions they ignore.
    routes: (exposeKv) => ({
      "/generate": {
        format: sessionRequest,
        inject: segmentInjector({ place: "session_params", exposeKv }),
      },
    }),
  },
  "sglang-explicit": {
    injects: "segments",
    loadsAlone: true,
    takesChats: true,
    forbidden: [],
    unshared: {},
    routes: (exposeKv) => ({
      "/generate": {
        format: generateRequest,
        inject: segmentInjector({ place: "kvcache_params", exposeKv }),
      },
      "/v1/chat/completions": {
        format: chatRequest,
        inject: segmentInjector({ place: "kv_transfer_params", exposeKv }),
      },
    }),
  },
  "llamacpp-slots": {
    injects: "slot",
    loadsAlone: true,
    takesChats: true,
    forbidden: [SLOT_MEMBER],
    // The server would look for the slot with most of its prompt in it, and for what it has put by of others, and say how much of that it took.
    unshared: { cache_prompt: false },
    routes: slotRoutes,
  },
};

/** Under each name that the server has for it (b11549). */
function slotRoutes(): Readonly<Record<string, TurnRoute>> {
  const own = { format: slotCompletionRequest, inject: slotInjector("event") };
  const openAi = { format: slotCompletionRequest, inject: slotInjector("done") };
  const chat = { format: slotChatRequest, inject: slotInjector("done") };
  return {
    "/completion": own,
    "/completions": own,
    "/v1/completions": openAi,
    "/chat/completions": chat,
    "/v1/chat/completions": chat,
  };
}

export function createDialect({ name, exposeKv, isShared = false }: DialectOptions): Dialect {
  const { injects, loadsAlone, takesChats, forbidden, unshared, routes } = TRAITS[name];
  const routeOf = new Map(Object.entries(routes(exposeKv)));
  const atRoot = forbiddenAtRoot(forbidden);
  const passing = passingMembers(isShared ? unshared : {});
  const readBodyInSlices: Dialect["readBodyInSlices"] = (path, body, also) =>
    readBody({ body, forbiddenAtRoot: atRoot, passing, route: routeOf.get(path), also });
  return {
    name,
    injects,
    loadsAlone,
    takesChats,
    readBody: (path, body) => atOnce(readBodyInSlices(path, body)),
    readBodyInSlices,
  };
}
