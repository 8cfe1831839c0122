/** The text of a prompt as snapshots are found by it. */
import type { Slices } from "../../json/slices.ts";
import type { ChainContext } from "../chain/chain-format.ts";
import type { Prompt } from "../dialects/dialect.ts";

/**
 * Of any prompt: a text as it is; ids as decimal numbers with a comma behind each; a chat as what its template is given besides the messages, then each message, as JSON texts. So
 * a conversation that goes on begins with the text of what it went on from.
 */
export interface SnapshotPrompt {
  readonly context: ChainContext;
  /** UTF-8. */
  readonly bytes: Uint8Array;
}

/** In slices, as prompts may be long. */
export type ToSnapshotPrompt = (prompt: Prompt, context: ChainContext) => Slices<SnapshotPrompt>;

/** Behind every JSON text of a chat: none of them has one inside. */
const END = "\n";
/** Written in a millisecond or two. */
const SLICE_CHARS = 256 * 1024;
const SLICE_IDS = 16 * 1024;

/** Equal for equal prompts. Of others, what makes them differ may be left out: the engine compares tokens itself. */
export const toSnapshotPrompt: ToSnapshotPrompt = function* (prompt, context) {
  const encoder = new TextEncoder();
  const written: Uint8Array[] = [];
  let slice = "";
  for (const text of textsOf(prompt)) {
    slice += text;
    if (slice.length < SLICE_CHARS) continue;
    written.push(encoder.encode(slice));
    slice = "";
    yield;
  }
  const last = encoder.encode(slice);
  return { context, bytes: written.length === 0 ? last : Buffer.concat([...written, last]) };
};

function* textsOf(prompt: Prompt): Generator<string> {
  switch (prompt.kind) {
    case "text":
      return yield prompt.text;
    case "ids":
      for (let at = 0; at < prompt.ids.length; at += SLICE_IDS) {
        yield `${prompt.ids.subarray(at, at + SLICE_IDS).join(",")},`;
      }
      return;
    case "chat": {
      const { messages, tools, templateKwargs } = prompt.chat;
      for (const part of [{ tools, templateKwargs }, ...messages]) yield JSON.stringify(part) + END;
    }
  }
}
