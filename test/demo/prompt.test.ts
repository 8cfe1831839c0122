import { expect, it } from "vitest";
import { promptText } from "../../demo/replay/prompt.ts";

it("prompts that share their first blocks share their first words, and no more", () => {
  const request = { timestamp: 0, output_length: 1, input_length: 2 * 512 };
  const one = promptText({ ...request, hash_ids: [7, 8] }).split(" ");
  const other = promptText({ ...request, hash_ids: [7, 9] }).split(" ");
  expect(one).toHaveLength(32);
  expect(one.slice(0, 16)).toEqual(other.slice(0, 16));
  expect(one.slice(16).filter((word) => other.includes(word))).toEqual([]);
});

it("a last block that is not full has fewer words", () => {
  const request = { timestamp: 0, output_length: 1, input_length: 512 + 64, hash_ids: [1, 2] };
  expect(promptText(request).split(" ")).toHaveLength(18);
});
