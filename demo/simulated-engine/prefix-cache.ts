/**
 * What an engine still holds of earlier prompts, in blocks of tokens. A block is named by the hash of itself and of all
 * that came before it, so a block that is found stands for the whole prompt up to its end. The budget is in blocks; the
 * least recently used go first, and of one prompt the last ones, since a block is worth nothing without those before it.
 */
import { hash } from "node:crypto";

export type BlockName = string;

/** The names of the whole blocks of a prompt, in order. What does not fill a block is never cached. */
export function nameBlocks(tokens: readonly string[], blockTokens: number): BlockName[] {
  const names: BlockName[] = [];
  let parent = "";
  for (let end = blockTokens; end <= tokens.length; end += blockTokens) {
    parent = hash("sha1", `${parent} ${tokens.slice(end - blockTokens, end).join(" ")}`, "base64");
    names.push(parent);
  }
  return names;
}

export class PrefixCache {
  readonly #budgetBlocks: number;
  /** Least recently used first. Never more than the budget. */
  readonly #blocks = new Set<BlockName>();

  constructor(budgetBlocks: number) {
    this.#budgetBlocks = budgetBlocks;
  }

  get size(): number {
    return this.#blocks.size;
  }

  /** How many leading blocks are held. They become the most recently used. */
  match(prompt: readonly BlockName[]): number {
    const missing = prompt.findIndex((name) => !this.#blocks.has(name));
    const held = missing === -1 ? prompt.length : missing;
    this.#touch(prompt.slice(0, held));
    return held;
  }

  /** Takes in all blocks of a prompt, and drops others where the budget asks for it. */
  insert(prompt: readonly BlockName[]): void {
    this.#touch(prompt.slice(0, this.#budgetBlocks));
    for (const oldest of this.#blocks) {
      if (this.#blocks.size <= this.#budgetBlocks) return;
      this.#blocks.delete(oldest);
    }
  }

  clear(): void {
    this.#blocks.clear();
  }

  /** From the last to the first: so the first is the most recent, and the last is dropped before it. */
  #touch(prompt: readonly BlockName[]): void {
    for (const name of prompt.toReversed()) {
      this.#blocks.delete(name);
      this.#blocks.add(name);
    }
  }
}
