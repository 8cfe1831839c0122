/**
 * An engine as far as Moorline can tell, that computes nothing: what it answers is for its owner to say, and wherever it is told to
 * store KV, it writes bytes of the right number when it has answered. So what is timed around it is not its own time.
 */
import { once } from "node:events";
import { open } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { engineProfile } from "../../demo/engine/profile.ts";
import { SHAPES } from "../../demo/engine/model/shape.ts";
import { filePath } from "../../demo/engine/segments/file-path.ts";
import { ENGINE_RULES, SHAPE_NAME } from "./stack.ts";

export interface StandInOptions {
  /** Where the objects of `file://` URIs lie. */
  readonly root: string;
  /** Answers one turn, to its end. */
  readonly answer: (turn: AskedTurn) => Promise<void>;
}

export interface AskedTurn {
  /** `x-turn` of the request. */
  readonly name: string;
  /** When the last of the request came. To read it is the engine's own work, of ids as of a text. */
  readonly receivedAtMs: number;
  readonly body: TurnRequest;
  readonly response: ServerResponse;
}

export interface TurnRequest {
  readonly input_ids?: readonly number[];
  readonly session_params?: SessionParams;
}

interface SessionParams {
  readonly id: string;
  readonly stored_kv_cache?: readonly Segment[];
  readonly fresh_kv_cache: readonly Segment[];
}

interface Segment {
  readonly token_start: number;
  readonly token_length: number;
  readonly kv_uri: string;
  readonly kv_start: number;
}

export interface StandIn {
  readonly address: string;
  close(): void;
}

export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    if (request.method === "POST" && request.url === "/generate") {
      void serve(options, request, response);
    } else {
      // It says nothing of itself that could differ from the profile.
      request.resume().on("end", () => response.end("{}"));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { address: `127.0.0.1:${port}`, close };
}

async function serve(
  { root, answer }: StandInOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const received = await buffer(request);
  const receivedAtMs = performance.now();
  const body = JSON.parse(received.toString()) as TurnRequest;
  await answer({ name: String(request.headers["x-turn"]), receivedAtMs, body, response });
  for (const segment of storedBy(body)) await write(root, segment);
}

/** Of an answer without a token: what it counts, and what it says of the KV that it was given. */
export function standInAnswer({ input_ids: ids = [], session_params: params }: TurnRequest) {
  const stored = params?.stored_kv_cache ?? [];
  const meta_info = {
    prompt_tokens: ids.length,
    cached_tokens: stored.reduce((sum, { token_length: length }) => sum + length, 0),
    completion_tokens: 0,
  };
  const fresh_kv_cache = storedBy({ input_ids: ids, ...(params && { session_params: params }) });
  return { meta_info, session_params: params && { id: params.id, fresh_kv_cache } };
}

const { pageSize } = ENGINE_RULES;
const { layers, kvHeads, headDim } = engineProfile(SHAPES[SHAPE_NAME], ENGINE_RULES);
/** Keys and values, in bf16. */
const TOKEN_BYTES = 2 * layers * kvHeads * headDim * 2;

/** The whole pages of the prompt. */
function storedBy({ input_ids: ids = [], session_params: params }: TurnRequest) {
  const end = ids.length - (ids.length % pageSize);
  return (params?.fresh_kv_cache ?? []).flatMap((segment) => {
    const token_length = Math.min(segment.token_length, end - segment.token_start);
    const kv_length = token_length * TOKEN_BYTES;
    return token_length > 0 ? [{ ...segment, token_length, kv_length }] : [];
  });
}

async function write(
  root: string,
  { kv_uri, kv_start, kv_length }: ReturnType<typeof storedBy>[0],
) {
  const path = filePath(root, kv_uri);
  if (path === undefined) throw new Error(`unknown storage of ${kv_uri}`);
  await using file = await open(path, "r+");
  await file.write(Buffer.alloc(kv_length, 1), 0, kv_length, kv_start);
}
