/** Answers as no engine writes them: white space anywhere, escaped keys, every kind of value. */
import fc from "fast-check";

/** One member as it is written, and whether it is to be removed. */
export interface WrittenMember {
  readonly text: string;
  readonly isRemoved: boolean;
}

const space = fc.constantFrom("", "", "", " ", "\n", "\t\r\n  ");

const string = fc.oneof(
  fc.string({ unit: "binary", maxLength: 10 }).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    `"\\\\"`,
    `"\\""`,
    `"{[\\"]}"`,
    `"日本語😀"`,
    `"\\u005c\\ud83d"`,
    `"\\\\\\\\\\""`,
  ),
);

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom("null", "true", "0", "-1.5e+30", "12345", "[]", "{}"),
    string,
    fc.array(fc.tuple(space, tie("value"), space), { maxLength: 3 }).map(bracketed("[", "]")),
    fc
      .uniqueArray(fc.tuple(space, string, space, tie("value"), space), {
        maxLength: 3,
        selector: ([, key]) => JSON.parse(key) as string,
      })
      .map((members) =>
        bracketed("{", "}")(members.map(([a, key, b, item, c]) => [`${a}${key}${b}:`, item, c])),
      ),
  ),
}));

function bracketed(open: string, close: string) {
  return (items: readonly (readonly unknown[])[]) =>
    open + items.map((item) => item.join("")).join(",") + close;
}

export const valueText = value as fc.Arbitrary<string>;

/** A name with each letter as it is, or escaped. */
export function keyText(name: string): fc.Arbitrary<string> {
  return fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: name.length, maxLength: name.length })
    .map(
      (dice) =>
        `"${Array.from(name, (letter, i) => (dice[i] === 0 ? escaped(letter) : letter)).join("")}"`,
    );
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A member of this name, or of one of those that resemble it. */
function member(name: string, isRemoved: boolean): fc.Arbitrary<WrittenMember> {
  return fc.tuple(keyText(name), space, space, valueText).map(([key, before, behind, text]) => ({
    text: `${key}${before}:${behind}${text}`,
    isRemoved,
  }));
}

const kept = fc.constantFrom(
  "text",
  "meta_info",
  "usage",
  "id",
  "choices",
  "sessionparams",
  "",
  "__proto__",
);

/** Distinct members but for the removed one, which may come several times. */
export function members(removedName: string): fc.Arbitrary<WrittenMember[]> {
  const others = fc
    .uniqueArray(kept, { maxLength: 4 })
    .chain((names) => fc.tuple(...names.map((name) => member(name, false))));
  const removed = fc.array(member(removedName, true), { maxLength: 3 });
  return fc
    .tuple(others, removed)
    .chain(([a, b]) => fc.shuffledSubarray([...a, ...b], { minLength: a.length + b.length }));
}

export function objectText(list: readonly WrittenMember[], filler: string): string {
  return `{${list.map(({ text }) => `${filler}${text}${filler}`).join(",")}${list.length === 0 ? filler : ""}}`;
}

export const filler = space;
