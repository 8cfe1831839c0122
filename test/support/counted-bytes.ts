/** Bytes that count how often one of them is looked at; copies in bulk are free. */
export interface CountedBytes {
  readonly bytes: Uint8Array;
  readonly reads: () => number;
}

export function countedBytes(target: Uint8Array): CountedBytes {
  let reads = 0;
  const bytes = new Proxy(target, {
    get(_target, name) {
      if (typeof name === "string" && /^\d+$/.test(name)) reads++;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  return { bytes, reads: () => reads };
}
