/** The text of a prompt as snapshots are found by it. */
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

export type ToSnapshotPrompt = (prompt: Prompt, context: ChainContext) => SnapshotPrompt;

/** Behind every JSON text of a chat: none of them has one inside. */
const END = "\n";

/** Equal for equal prompts. Of others, what makes them differ may be left out: the engine compares tokens itself. */
export const toSnapshotPrompt: ToSnapshotPrompt = (prompt, context) => ({
  context,
  bytes: new TextEncoder().encode(textOf(prompt)),
});

function textOf(prompt: Prompt): string {
  switch (prompt.kind) {
    case "text":
      return prompt.text;
    case "ids":
      return prompt.ids.length === 0 ? "" : `${prompt.ids.join(",")},`;
    case "chat": {
      const { messages, tools, templateKwargs } = prompt.chat;
      return [{ tools, templateKwargs }, ...messages]
        .map((part) => JSON.stringify(part) + END)
        .join("");
    }
  }
}
