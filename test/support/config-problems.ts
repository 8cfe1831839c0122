/** A configuration text, parsed, or the problems that it is refused with. */
import { parseConfig } from "../../src/config/config.ts";
import { AppError } from "../../src/errors.ts";

export const POOLS = 'pools: [{ name: default, endpoints: ["10.0.0.1:8000"] }]';

export function parse(text: string) {
  return parseConfig(text, { path: "/etc/moorline/config.yaml" });
}

/** The problems that a text is refused with, without the line that counts them. */
export function problemsOf(text: string): string[] {
  try {
    parse(text);
  } catch (reason) {
    if (!(reason instanceof AppError) || reason.code !== "config_invalid") throw reason;
    return reason.message.split("\n  ").slice(1);
  }
  return [];
}

/** As above, for a text with one good pool. */
export function problemsWith(text: string): string[] {
  return problemsOf(`${POOLS}\n${text}`);
}
