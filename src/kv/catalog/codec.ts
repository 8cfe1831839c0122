/**
 * Records as bytes: fields one after the other in the order of their declaration, without names, so that a record is little more
 * than its ids and digests. What a field means is fixed by the schema version of the whole catalog (`schema.ts`); a change here or
 * in a record's codec is a new version.
 */
import { AppError } from "../../errors.ts";

export interface Codec<T> {
  write(out: ByteWriter, value: T): void;
  read(from: ByteReader): T;
}

export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  writer.begin();
  codec.write(writer, value);
  return writer.finish();
}

export function decode<T>(codec: Codec<T>, encoded: Uint8Array): T {
  const from = new ByteReader(encoded);
  const value = codec.read(from);
  if (from.bytesLeft > 0)
    throw new AppError("internal", "catalog record is longer than its schema");
  return value;
}

/** Whole numbers from 0 to 2^53 - 1, in 1 to 8 bytes: 7 bits each, low ones first. */
export const uint: Codec<number> = {
  write(out, value) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new AppError(
        "internal",
        `catalog number ${value} must be an integer from 0 to 2^53 - 1`,
      );
    }
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) out.byte((rest % 0x80) + 0x80);
    out.byte(rest);
  },
  read(from) {
    let value = 0;
    let scale = 1;
    for (let byte = from.byte(); ; byte = from.byte()) {
      value += (byte % 0x80) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
    }
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new AppError("internal", "catalog record has a number over 2^53 - 1");
    }
    return value;
  },
};

export const bytes: Codec<Uint8Array> = {
  write(out, value) {
    uint.write(out, value.length);
    out.bytes(value);
  },
  read: (from) => from.bytes(uint.read(from)),
};

export const text: Codec<string> = {
  write: (out, value) => out.text(value),
  read: (from) => from.text(),
};

export const flag: Codec<boolean> = {
  write: (out, value) => out.byte(value ? 1 : 0),
  read: (from) => from.byte() === 1,
};

/** Text that its type makes more of, such as a branded id. */
export function textOf<T extends string>(): Codec<T> {
  return text as unknown as Codec<T>;
}

/** One of a fixed list, as its index: the list may grow at its end only. */
export function oneOf<T extends string>(...values: readonly T[]): Codec<T> {
  return {
    write(out, value) {
      const index = values.indexOf(value);
      if (index < 0) throw new AppError("internal", `catalog record has an unknown name ${value}`);
      out.byte(index);
    },
    read(from) {
      const value = values[from.byte()];
      if (value === undefined) throw new AppError("internal", "catalog record has an unknown name");
      return value;
    },
  };
}

export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    write(out, value) {
      out.byte(value === undefined ? 0 : 1);
      if (value !== undefined) codec.write(out, value);
    },
    read: (from) => (from.byte() === 0 ? undefined : codec.read(from)),
  };
}

export function list<T>(codec: Codec<T>): Codec<readonly T[]> {
  return {
    write(out, values) {
      uint.write(out, values.length);
      for (const value of values) codec.write(out, value);
    },
    read(from) {
      const length = uint.read(from);
      // Each has a byte at least.
      if (length > from.bytesLeft) throw new AppError("internal", "catalog record is cut short");
      return Array.from({ length }, () => codec.read(from));
    },
  };
}

export function record<T extends object>(fields: {
  readonly [K in keyof T]-?: Codec<T[K]>;
}): Codec<T> {
  const entries = Object.entries(fields) as [keyof T, Codec<T[keyof T]>][];
  return {
    write(out, value) {
      for (const [name, codec] of entries) codec.write(out, value[name]);
    },
    read(from) {
      const value: Partial<T> = {};
      for (const [name, codec] of entries) value[name] = codec.read(from);
      return value as T;
    },
  };
}

class ByteWriter {
  #buffer = Buffer.alloc(512);
  #end = 0;

  /** Forgets what a codec that threw has left. */
  begin(): void {
    this.#end = 0;
  }

  byte(value: number): void {
    this.#grow(1);
    this.#buffer[this.#end++] = value;
  }

  bytes(values: Uint8Array): void {
    this.#grow(values.length);
    this.#buffer.set(values, this.#end);
    this.#end += values.length;
  }

  /** As UTF-8, after its length in bytes. */
  text(value: string): void {
    const length = Buffer.byteLength(value);
    uint.write(this, length);
    this.#grow(length);
    this.#end += this.#buffer.write(value, this.#end);
  }

  /** A copy of its own length. */
  finish(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(0, this.#end));
  }

  #grow(more: number): void {
    const needed = this.#end + more;
    if (needed <= this.#buffer.length) return;
    const roomier = Buffer.alloc(2 * needed);
    roomier.set(this.#buffer);
    this.#buffer = roomier;
  }
}

class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    this.#buffer = Buffer.from(buffer, byteOffset, byteLength);
  }

  get bytesLeft(): number {
    return this.#buffer.length - this.#at;
  }

  byte(): number {
    const value = this.#buffer[this.#at++];
    if (value === undefined) throw new AppError("internal", "catalog record is cut short");
    return value;
  }

  bytes(length: number): Uint8Array {
    const from = this.#pass(length);
    return new Uint8Array(this.#buffer.subarray(from, this.#at));
  }

  /** What `ByteWriter.text` wrote. */
  text(): string {
    const length = uint.read(this);
    const from = this.#pass(length);
    return this.#buffer.toString("utf8", from, this.#at);
  }

  /** Returns where they begin. */
  #pass(length: number): number {
    const from = this.#at;
    const end = from + length;
    if (end > this.#buffer.length) throw new AppError("internal", "catalog record is cut short");
    this.#at = end;
    return from;
  }
}

/** Codecs do not encode within a codec, so one is enough. */
const writer = new ByteWriter();
