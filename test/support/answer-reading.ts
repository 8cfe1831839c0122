import type { AnswerReader, EngineAnswer } from "../../src/kv/dialects/dialect.ts";

export interface ReadAnswer {
  /** All that the client gets. */
  readonly bytes: Buffer;
  readonly answer: EngineAnswer | undefined;
}

/** Shows the answer cut at these offsets, each chunk in memory that is overwritten as soon as the next one comes. */
export function readAnswer(
  reader: AnswerReader,
  bytes: Uint8Array,
  cuts: readonly number[] = [],
): ReadAnswer {
  const gone: Uint8Array[] = [];
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...ends, bytes.length]) {
    const lent = bytes.slice(from, to);
    gone.push(reader.push(lent).slice());
    lent.fill(0x21);
    from = to;
  }
  const { rest, answer } = reader.finish();
  return { bytes: Buffer.concat([...gone, rest]), answer };
}

export function everyByte(bytes: Uint8Array): number[] {
  return Array.from(bytes, (_, at) => at);
}
