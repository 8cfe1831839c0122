/**
 * What the demo tells: steps, what is done in each, and claims. A claim is printed once it was compared with what happened; the first
 * that does not hold ends the demo.
 */
import { isDeepStrictEqual, inspect } from "node:util";
import type { components } from "../../client/schema.d.ts";

export type PlannedSegment = components["schemas"]["PlannedSegment"];

export class ExpectationFailed extends Error {
  override readonly name = "ExpectationFailed";
}

export interface Claim {
  readonly claim: string;
  readonly found: unknown;
  readonly expected: unknown;
}

export class Narration {
  readonly #printLines: (text: string) => void;
  #steps = 0;
  #claims = 0;

  constructor(print: (text: string) => void) {
    this.#printLines = print;
  }

  /** That were told, and held. */
  get claims(): number {
    return this.#claims;
  }

  step(title: string): void {
    this.#steps++;
    this.#print(`\n${this.#steps}. ${title}`, "");
  }

  say(text: string): void {
    this.#print(text, "   ");
  }

  /** Throws ExpectationFailed unless what was found is what was expected. */
  holds({ claim, found, expected }: Claim): void {
    if (!isDeepStrictEqual(found, expected)) {
      const shown = (value: unknown) => inspect(value, { depth: null, breakLength: 100 });
      throw new ExpectationFailed(
        `Step ${this.#steps} expected: ${claim}\nexpected ${shown(expected)}\nfound    ${shown(found)}`,
      );
    }
    this.#claims++;
    this.#print(`ok: ${claim}`, "   ");
  }

  #print(text: string, indent: string): void {
    this.#printLines(text.replaceAll(/^(?=.)/gm, indent));
  }
}

/** As the engine gets it, with each address once for the segments in a row that have it. */
export function formatList(heading: string, list: readonly PlannedSegment[]): string {
  if (list.length === 0) return `${heading}: nothing`;
  return list
    .flatMap(({ token_start, token_length, kv_uri, kv_start }, index) => [
      ...(list[index - 1]?.kv_uri === kv_uri ? [] : [`${heading} ${kv_uri}`]),
      `  token_start ${count(token_start, 5)}   token_length ${count(token_length, 5)}   kv_start ${count(kv_start, 10)}`,
    ])
    .join("\n");
}

function count(value: number, digits: number): string {
  return formatCount(value).padStart(digits);
}

export function formatCount(value: number): string {
  return value.toLocaleString("en-US");
}

/** Decimal, as disks are sold. */
export function formatMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function formatSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
