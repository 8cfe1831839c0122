/** A computing engine in this process, with the smallest model and a root of its own unless given; remembers what it was sent. */
import type { Behaviour } from "../../demo/engine/behaviour.ts";
import { GOOD_BEHAVIOUR } from "../../demo/engine/behaviour.ts";
import { Model } from "../../demo/engine/model/model.ts";
import { SHAPES } from "../../demo/engine/model/shape.ts";
import type { Oracle } from "../../demo/engine/oracle.ts";
import { modelName } from "../../demo/engine/profile.ts";
import { openEngineServer } from "../../demo/engine/server.ts";
import type { SeenRequest } from "../../demo/engine/http.ts";
import { DEFAULT_LIMITS } from "../../demo/engine/serving/engine.ts";
import type { EngineLimits } from "../../demo/engine/serving/engine.ts";
import { EngineTokenizer } from "../../demo/engine/tokenizer/engine-tokenizer.ts";
import { createFolder, removeFolder } from "../../demo/stack/folder.ts";

/** The model and the tokenizer of every engine here. */
export const tinyOracle: Oracle = {
  model: new Model(SHAPES.tiny),
  tokenizer: new EngineTokenizer(),
};

export interface ComputingEngineOptions {
  readonly name?: string;
  readonly port?: number;
  readonly root?: string;
  readonly limits?: Partial<EngineLimits>;
  readonly bodyLimitBytes?: number;
  readonly hasTokenize?: boolean;
  readonly tellsUsage?: boolean;
  readonly hasHiCache?: boolean;
}

export interface ComputingEngine extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Where its `file://` objects are. */
  readonly root: string;
  /** Requests to the model paths, oldest first. */
  readonly requests: readonly SeenRequest[];
  /** All requests, oldest first. */
  readonly received: readonly SeenRequest[];
  /** What is not named is good again. */
  behave(behaviour: Partial<Behaviour>): void;
  flush(): Promise<void>;
  /** Resolves when all answers' segments so far are written or given up. */
  written(): Promise<void>;
  close(): Promise<void>;
}

export async function startComputingEngine(
  options: ComputingEngineOptions = {},
): Promise<ComputingEngine> {
  const { name = "engine", port = 0, limits, bodyLimitBytes = 32 * 1024 * 1024 } = options;
  const root = options.root ?? (await createFolder("moorline-engine-"));
  const requests: SeenRequest[] = [];
  const received: SeenRequest[] = [];
  const server = await openEngineServer({
    ...tinyOracle,
    name,
    port,
    root,
    bodyLimitBytes,
    hasTokenize: options.hasTokenize ?? true,
    tellsUsage: options.tellsUsage ?? false,
    ...(options.hasHiCache !== undefined && { hasHiCache: options.hasHiCache }),
    modelName: modelName(SHAPES.tiny),
    weightVersion: "default",
    limits: { ...DEFAULT_LIMITS, ...limits },
    onRequest: (request) => {
      received.push(request);
      if (/^\/(generate|v1\/chat\/completions)(\?|$)/.test(request.path)) requests.push(request);
    },
    die: () => {
      throw new Error("an engine in this process cannot die alone");
    },
  });
  const url = `http://127.0.0.1:${server.port}`;
  const close = async () => {
    await server.close();
    await server.written();
    if (options.root === undefined) await removeFolder(root);
  };
  return {
    port: server.port,
    url,
    root,
    requests,
    received,
    behave: (behaviour) => server.behave({ ...GOOD_BEHAVIOUR, ...behaviour }),
    flush: async () => void (await fetch(`${url}/flush_cache`, { method: "POST" })),
    written: async () => server.written(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
