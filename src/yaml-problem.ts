import type { LineCounter, YAMLError } from "yaml";

/** `line 3, column 9: what is wrong there`; lines and columns count from 1. */
export function describeYamlError(error: YAMLError, lines: LineCounter): string {
  const { line, col } = lines.linePos(error.pos[0]);
  return `line ${line}, column ${col}: ${error.message}`;
}
