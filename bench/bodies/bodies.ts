/** Request bodies that are made to take long, each of one kind all through. */

export interface HurtfulBody {
  /** As it is called in the result. */
  readonly name: string;
  readonly path: "/generate" | "/v1/chat/completions";
  readonly head: string;
  /** Again and again, until the body is long enough. */
  readonly again: string;
  readonly tail: string;
}

const generate = { path: "/generate" } as const;
const chat = { path: "/v1/chat/completions" } as const;

export const HURTFUL_BODIES: readonly HurtfulBody[] = [
  {
    ...generate,
    name: "text",
    head: `{"text":"`,
    again: "seven words of text, and a comma ",
    tail: `"}`,
  },
  { ...generate, name: "text_escaped", head: `{"text":"`, again: String.raw`\n`, tail: `"}` },
  { ...generate, name: "ids", head: `{"input_ids":[1`, again: ",1234567", tail: `]}` },
  { ...generate, name: "ids_too_many", head: `{"input_ids":[1`, again: ",1", tail: `]}` },
  { ...generate, name: "small_objects", head: `{"text":"a","x":[0`, again: `,{}`, tail: `]}` },
  { ...generate, name: "small_members", head: `{"text":"a","x":[0`, again: `,{"a":1}`, tail: `]}` },
  {
    ...generate,
    name: "forged_keys",
    head: `{"text":"a","metadata":[0`,
    again: `,{"fresh_kv_cache":1}`,
    tail: `]}`,
  },
  {
    ...generate,
    name: "respelled_keys",
    head: `{"text":"a","metadata":[0`,
    again: String.raw`,{"fresh_\u006bv_cache":1,"a":2}`,
    tail: `]}`,
  },
  {
    ...generate,
    name: "repeated_keys",
    head: `{"metadata":[]`,
    again: `,"text":"a"`,
    tail: `}`,
  },
  {
    ...chat,
    name: "message",
    head: `{"messages":[{"role":"user","content":"`,
    again: "seven words of text, and a comma ",
    tail: `"}]}`,
  },
  {
    ...chat,
    name: "messages",
    head: `{"messages":[{"role":"user","content":""}`,
    again: `,{"role":"user","content":"${"of some length ".repeat(100)}"}`,
    tail: `]}`,
  },
  {
    ...chat,
    name: "forged_in_messages",
    head: `{"messages":[{"role":"user","content":""`,
    again: `,"kvcache_params":0`,
    tail: `}]}`,
  },
];

/** Not longer than `sizeBytes`. */
export function bytesOf({ head, again, tail }: HurtfulBody, sizeBytes: number): Uint8Array {
  const times = Math.floor((sizeBytes - head.length - tail.length) / again.length);
  return Buffer.from(head + again.repeat(times) + tail);
}
