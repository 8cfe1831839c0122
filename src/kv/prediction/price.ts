/** What a turn costs by the prices of its pool. Each token of the prompt is charged as input once, and storing is charged besides. */

/** Per million tokens. */
export interface Prices {
  readonly currency: string;
  readonly uncachedInput: number;
  readonly cachedInput: number;
  readonly output: number;
  /** By the time to live that is stored for, ascending; empty: storing costs nothing. */
  readonly writes: readonly WritePrice[];
  /** And hour. */
  readonly storageHour: number;
  /** Of the count that is told beside a price: what is paid is the same. */
  readonly inputIncludesCached: boolean;
}

export interface WritePrice {
  /** The longest that it buys. */
  readonly ttlMs: number;
  readonly price: number;
}

export interface Usage {
  readonly promptTokens: number;
  /** Of the prompt. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Of the prompt and the answer. */
  readonly storedTokens: number;
  /** For how long these are stored. */
  readonly ttlMs: number;
}

export interface Price {
  readonly currency: string;
  /** All parts together. */
  readonly total: number;
  readonly uncachedInput: number;
  readonly cachedInput: number;
  readonly output: number;
  readonly write: number;
  readonly storage: number;
  /** As the pool counts input. */
  readonly inputTokens: number;
}

const HOUR_MS = 3_600_000;

export function priceOf(usage: Usage, prices: Prices): Price {
  const { promptTokens, cachedTokens, outputTokens, storedTokens, ttlMs } = usage;
  const { currency, inputIncludesCached } = prices;
  const uncachedTokens = promptTokens - cachedTokens;
  const uncachedInput = millions(uncachedTokens) * prices.uncachedInput;
  const cachedInput = millions(cachedTokens) * prices.cachedInput;
  const output = millions(outputTokens) * prices.output;
  const write = millions(storedTokens) * writePrice(ttlMs, prices);
  const storage = millions(storedTokens) * prices.storageHour * (ttlMs / HOUR_MS);
  const total = uncachedInput + cachedInput + output + write + storage;
  const inputTokens = inputIncludesCached ? promptTokens : uncachedTokens;
  return { currency, total, uncachedInput, cachedInput, output, write, storage, inputTokens };
}

/** The first that buys as long; what is longer than any costs as much as the longest. */
function writePrice(ttlMs: number, { writes }: Prices): number {
  return (writes.find((each) => each.ttlMs >= ttlMs) ?? writes.at(-1))?.price ?? 0;
}

function millions(tokens: number): number {
  return tokens / 1_000_000;
}
