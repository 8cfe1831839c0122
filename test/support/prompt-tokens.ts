import { onTestFinished } from "vitest";
import { openPromptTokens } from "../../src/kv/tokens/open-prompt-tokens.ts";
import type { PromptTokensOptions } from "../../src/kv/tokens/open-prompt-tokens.ts";
import type { PromptTokens } from "../../src/kv/tokens/prompt-tokens.ts";
import type { TokenizerFiles } from "../../src/kv/tokens/tokenizer-files.ts";
import { FakeClock } from "./fake-clock.ts";
import { writeTokenizer } from "./small-tokenizer.ts";
import type { WrittenTokenizer } from "./small-tokenizer.ts";

/** With files of its own; closed when the test is over. */
export function openTokens(
  written: WrittenTokenizer,
  options: Partial<PromptTokensOptions> = {},
): Promise<PromptTokens> {
  return openTokensOf(writeTokenizer(written), options);
}

/** Time stands still unless the test has a clock. A worker that is lost is a failure unless the test waits for it. */
export async function openTokensOf(
  files: TokenizerFiles,
  options: Partial<PromptTokensOptions> = {},
): Promise<PromptTokens> {
  const tokens = await openPromptTokens({
    scheduler: new FakeClock(),
    workerLost(reason) {
      throw reason;
    },
    ...options,
    files,
  });
  onTestFinished(() => tokens.close());
  return tokens;
}
