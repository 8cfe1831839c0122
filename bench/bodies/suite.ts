/**
 * How long bodies that are made to hurt hold the event loop: all of the reading of each, and its longest piece, as between pieces
 * everybody else has the loop. A body is cut into the same pieces every time. Bodies take turns in every round, and of each piece
 * the least of all rounds counts: what else the machine does only adds to it.
 */
import type { Slices } from "../../src/json/slices.ts";
import { createDialect } from "../../src/kv/dialects/dialects.ts";
import { toFourDigits } from "../figures.ts";
import { bytesOf, HURTFUL_BODIES, type HurtfulBody } from "./bodies.ts";

export interface BodiesPlan {
  readonly bodyBytes: number;
  readonly rounds: number;
}

const fullPlan: BodiesPlan = { bodyBytes: 8 * 1024 * 1024, rounds: 9 };
const quickPlan: BodiesPlan = { bodyBytes: 256 * 1024, rounds: 2 };

export interface BodyFigures {
  readonly total_ms: number;
  readonly longest_piece_ms: number;
}

export interface BodiesResult {
  readonly suite: "bodies";
  readonly body_bytes: number;
  readonly bodies: Readonly<Record<string, BodyFigures>>;
}

export function runBodies({ isQuick }: { isQuick: boolean }): BodiesResult {
  return measureBodies(isQuick ? quickPlan : fullPlan, (text) => console.error(text));
}

export function measureBodies(
  { bodyBytes, rounds }: BodiesPlan,
  progress: (text: string) => void,
): BodiesResult {
  const bodies = HURTFUL_BODIES.map((body) => ({ body, bytes: bytesOf(body, bodyBytes) }));
  const least = new Map<string, readonly number[]>();
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`);
    for (const { body, bytes } of bodies) {
      const known = least.get(body.name);
      const pieces = piecesOf(body, bytes).map((ms, i) => Math.min(ms, known?.[i] ?? ms));
      least.set(body.name, pieces);
    }
  }
  const figures = Object.fromEntries(
    Array.from(least, ([name, pieces]) => [name, figuresOf(pieces)]),
  );
  progress(table(figures));
  return { suite: "bodies", body_bytes: bodyBytes, bodies: figures };
}

const dialect = createDialect({ name: "sglang-explicit", exposeKv: false });

/** How long each took: those of its reading, and the writing of what the engine gets. */
function piecesOf({ path }: HurtfulBody, bytes: Uint8Array): readonly number[] {
  const pieces: number[] = [];
  const read = timed(dialect.readBodyInSlices(path, bytes), pieces);
  if (read.kind === "unreadable") throw new Error(`unreadable at ${read.offset}`);
  const { turn } = read;
  if (turn.kind === "none") return pieces;
  const startedAtMs = performance.now();
  turn.inject(INJECTION);
  return [...pieces, performance.now() - startedAtMs];
}

const SEGMENT = { tokenStart: 0, tokenLength: 64, kvUri: "file:///kv/session", kvStart: 0 };
const INJECTION = {
  kind: "segments",
  engineSession: "own",
  stored: [],
  fresh: [SEGMENT],
  inputIds: undefined,
} as const;

function timed<T>(slices: Slices<T>, pieces: number[]): T {
  for (;;) {
    const startedAtMs = performance.now();
    const { done, value } = slices.next();
    pieces.push(performance.now() - startedAtMs);
    if (done === true) return value;
  }
}

function figuresOf(pieces: readonly number[]): BodyFigures {
  const totalMs = pieces.reduce((sum, ms) => sum + ms, 0);
  return { total_ms: toFourDigits(totalMs), longest_piece_ms: toFourDigits(Math.max(...pieces)) };
}

function table(figures: Readonly<Record<string, BodyFigures>>): string {
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  const lines = Object.entries(figures).map(([name, { total_ms, longest_piece_ms }]) => {
    const columns = [total_ms, longest_piece_ms].map((ms) => ms.toFixed(1).padStart(8));
    return `${name.padEnd(width)} ${columns.join(" ")}`;
  });
  return `${"".padEnd(width)}   all ms   longest piece\n${lines.join("\n")}`;
}
