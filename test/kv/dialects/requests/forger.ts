/** Bodies by which a client may try to bring members past us that only the service may send. */
import type { Random } from "../../../../src/clock.ts";

export const FORBIDDEN = [
  "stored_kv_cache",
  "fresh_kv_cache",
  "stored_kvcache",
  "fresh_kvcache",
  "kvcache_params",
];

/** What else a client may not send to servers with slots, in the object that is the whole body. */
export const FORBIDDEN_AT_ROOT = "id_slot";

const HARMLESS = [
  FORBIDDEN_AT_ROOT,
  "cache_prompt",
  "prompt",
  "text",
  "input_ids",
  "messages",
  "session_params",
  "kv_transfer_params",
  "sampling_params",
  "id",
  "rid",
  "stream",
  "stream_options",
  "include_usage",
  "continuous_usage_stats",
  "role",
  "content",
  "__proto__",
  "constructor",
  "toString",
  "7",
  "",

  "stored_kv_cach",
  "stored_kv_caches",
  "Kvcache_params",
  "kvcache_params ",
  "kvcache_params\0",
];

const SCALARS = [
  "1",
  "-0.5",
  "1e3",
  "true",
  "null",
  "null",
  `"s"`,
  `""`,
  `"é😀"`,
  String.raw`"\ud800\"\\"`,

  `"\\"kvcache_params\\":1"`,
  `"}],"`,
  `[1,2,3]`,
  "[]",
  "{}",
  `[{"role":"user","content":"a"}]`,
];

const CHAT = `"messages":[{"role":"user","content":"a"}]`;

const OPTIONS = [
  "null",
  "{}",
  `{"include_usage":true}`,
  `{ "include_usage" : false,"x":1 }`,
  `{"x":{"kvcache_params":1},"include_usage":null}`,
  `{"continuous_usage_stats":true}`,
];

const MEMBERS_LIMIT = 5;
const DEPTH_LIMIT = 4;

export class Forger {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }

  body(): Uint8Array {
    const text = this.#isOneOf(10) ? this.#value(0) : this.pick([this.#object(0), this.#turn()]);
    const padded = this.#isOneOf(50) ? `${" ".repeat(this.#random() * 50_000)}${text}\n` : text;
    if (this.#isOneOf(100)) return Buffer.from(this.#deep(padded));
    if (this.#isOneOf(100)) return Buffer.from(padded, "utf16le");
    if (this.#isOneOf(100)) return Buffer.from(`\ufeff${padded}`);
    const bytes = Buffer.from(padded);
    if (this.#isOneOf(30)) bytes[Math.floor(this.#random() * bytes.length)] = this.#random() * 256;
    return this.#isOneOf(100) ? bytes.subarray(0, this.#random() * bytes.length) : bytes;
  }

  /** Most of them would be turns without what is forged. */
  #turn(): string {
    const [forged, more] = [this.#object(DEPTH_LIMIT), this.#object(DEPTH_LIMIT)];
    const members = [
      ...this.#slot(),
      this.pick([`"text":"a"`, `"text" : "a","input_ids": null`, `"input_ids":[1]`, CHAT]),
      this.pick([`"session_params":${forged}`, `"kv_transfer_params":${forged}`, `"stream":true`]),
      `${this.#key(this.pick(FORBIDDEN))}:${more}`,
      `${this.#key("stream")}:true`,
      `${this.#key("stream_options")}:${this.pick(OPTIONS)}`,
    ].filter(() => !this.#isOneOf(6));
    return `{${members.toSorted(() => this.#random() - 0.5).join(this.#separator())}}`;
  }

  #slot(): readonly string[] {
    if (!this.#isOneOf(2)) return [];
    const prompt = this.pick([`"prompt":"a"`, `"prompt" : [1, 2]`, `"prompt":["a"]`]);
    const slot = `${this.#key(FORBIDDEN_AT_ROOT)}:${this.#value(DEPTH_LIMIT)}`;
    const cache = `${this.#key("cache_prompt")}:${this.pick(SCALARS)}`;
    return [prompt, slot, cache, slot].filter(() => !this.#isOneOf(3));
  }

  /** Around the deepest that is allowed. */
  #deep(text: string): string {
    const levels = 120 + Math.floor(this.#random() * 10);
    return `{"a":`.repeat(levels) + text + "}".repeat(levels);
  }

  #value(depth: number): string {
    if (depth < DEPTH_LIMIT && this.#isOneOf(3)) return this.#object(depth + 1);
    if (depth < DEPTH_LIMIT && this.#isOneOf(8)) {
      const values = Array.from({ length: this.#random() * 4 }, () => this.#value(depth + 1));
      return `[${values.join(this.#separator())}]`;
    }
    return this.pick(SCALARS);
  }

  #object(depth: number): string {
    const members = Array.from({ length: this.#random() * MEMBERS_LIMIT + 1 }, () => {
      const key = this.#key(this.pick(this.#isOneOf(3) ? FORBIDDEN : HARMLESS));
      return `${this.#space()}${key}${this.#space()}:${this.#space()}${this.#value(depth)}`;
    });
    return `{${members.join(this.#separator())}${this.#space()}}`;
  }

  #key(name: string): string {
    const rate = this.pick([0, 0, 0, 0, 0.1, 1]);
    const units = Array.from(name, (unit) => {
      if (unit >= " " && this.#random() >= rate) return unit;
      const digits = unit.charCodeAt(0).toString(16).padStart(4, "0");
      return `\\u${this.#isOneOf(2) ? digits.toUpperCase() : digits}`;
    });
    return `"${units.join("")}"`;
  }

  #separator(): string {
    return `${this.#space()},`;
  }

  #space(): string {
    return this.pick(["", "", "", "", " ", "\r\n", "\t "]);
  }

  #isOneOf(count: number): boolean {
    return this.#random() * count < 1;
  }
}
