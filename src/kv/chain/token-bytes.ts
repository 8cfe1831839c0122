import { AppError } from "../../errors.ts";

export const TOKEN_BYTES = 4;
const LARGEST_TOKEN = 0xffff_ffff;
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * Token ids as a token chain hashes them: unsigned 32-bit, little-endian. Throws for what is no such number. Of an array that has
 * them so already, a view.
 */
export function tokenBytes(tokens: ArrayLike<number>): Uint8Array {
  if (IS_LITTLE_ENDIAN && tokens instanceof Uint32Array) {
    return new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  }
  const bytes = new Uint8Array(tokens.length * TOKEN_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as number;
    if (!Number.isInteger(token) || token < 0 || token > LARGEST_TOKEN) {
      const limit = `an integer from 0 to ${LARGEST_TOKEN}`;
      throw new AppError("internal", `tokens[${i}] ${token} must be ${limit}`);
    }
    view.setUint32(i * TOKEN_BYTES, token, true);
  }
  return bytes;
}
