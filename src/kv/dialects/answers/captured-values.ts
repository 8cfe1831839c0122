/** What captured values are, where they are it. */

/** Undefined: there was none, or it is no count. */
export function countOf(value: Uint8Array | "over" | undefined): number | undefined {
  if (value === undefined || value === "over") return undefined;
  const text = textOf(value);
  const count = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(count) ? count : undefined;
}

/** A value was there, and it was not this literal. */
export function isOther(value: Uint8Array | "over" | undefined, literal: string): boolean {
  return value !== undefined && (value === "over" || textOf(value) !== literal);
}

export function isLiteral(value: Uint8Array | "over" | undefined, literal: string): boolean {
  return value !== undefined && value !== "over" && textOf(value) === literal;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export function textOf(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}
