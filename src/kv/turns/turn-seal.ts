/**
 * Turn ids that know their prompt: random letters, then a part of the prompt's index key. So a commit that brings another prompt
 * than the plan had, which would bind an engine's bytes to tokens that they are not of, is told apart without anything kept.
 */
import type { Digest } from "../digest.ts";
import type { TurnId } from "../records.ts";

const SEAL_BYTES = 12;

/** `random`: 1 to 39 letters, digits, `_` and `-`; never the same twice. */
export function sealedTurn(random: string, promptKey: Digest): TurnId {
  return `${random}-${sealOf(promptKey)}` as TurnId;
}

export function isTurnOf(turn: TurnId, promptKey: Digest): boolean {
  return turn.endsWith(`-${sealOf(promptKey)}`);
}

function sealOf(promptKey: Digest): string {
  const bytes = Array.from(promptKey.subarray(0, SEAL_BYTES));
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
