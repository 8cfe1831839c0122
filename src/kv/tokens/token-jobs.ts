/** What the event loop asks of its worker threads. */
import type { ChatPrompt } from "../dialects/dialect.ts";
import type { RenderedChat, RenderLimits } from "./chat-template.ts";
import type { LoadedTokenizer } from "./loaded-tokenizer.ts";
import type { TokenizerSource } from "./tokenizer-files.ts";

export type TokenJob =
  | { readonly kind: "encode"; readonly text: string }
  | { readonly kind: "render"; readonly chat: ChatPrompt };

/** Of `encode`: the ids. Of `render`: as of the template. */
export type TokenAnswer = Uint32Array | RenderedChat | undefined;

/** Shared with all workers, and not copied: the JSON of a `TokenizerSource`. */
export interface TokenWorkerData {
  readonly source: SharedArrayBuffer;
  readonly limits: RenderLimits;
}

export function shareSource(source: TokenizerSource): SharedArrayBuffer {
  const json = Buffer.from(JSON.stringify(source));
  const shared = new SharedArrayBuffer(json.length);
  Buffer.from(shared).set(json);
  return shared;
}

export function readShared(shared: SharedArrayBuffer): TokenizerSource {
  return JSON.parse(Buffer.from(shared).toString()) as TokenizerSource;
}

/** The same on the event loop and in a worker. */
export function doTokenJob({ encoder, template }: LoadedTokenizer, job: TokenJob): TokenAnswer {
  return job.kind === "encode" ? encoder.encode(job.text) : template?.render(job.chat);
}
