import { describe, expect, it } from "vitest";
import { CHAT_TEMPLATE, smallTokenizer, writeTokenizer } from "../../support/small-tokenizer.ts";
import { openTokens, openTokensOf } from "../../support/prompt-tokens.ts";
import type { WrittenTokenizer } from "../../support/small-tokenizer.ts";

describe("a tokenizer that cannot be used is refused with its file and the reason", () => {
  const unusable: readonly [string, WrittenTokenizer, RegExp][] = [
    ["no JSON", { tokenizer: "{" }, /tokenizer\.json cannot be used: it is not JSON/],
    ["a list", { config: "[]" }, /tokenizer_config\.json cannot be used: it is not a JSON object/],
    [
      "a part is missing",
      { tokenizer: smallTokenizer({ model: undefined }) },
      /tokenizer\.json cannot be used: .*model/,
    ],
    [
      "a kind of model that nobody knows",
      { tokenizer: smallTokenizer({ model: { type: "Oracle" } }) },
      /tokenizer\.json cannot be used: .*Oracle/,
    ],
    [
      "a beginning that the model does not have",
      { config: { bos_token: "<bos>", add_bos_token: true } },
      /tokenizer\.json cannot be used: its special token <bos> is not in the vocabulary/,
    ],
    [
      "a beginning without a name",
      { config: { add_bos_token: true } },
      /tokenizer\.json cannot be used: add_bos_token is true, and there is no bos_token/,
    ],
    [
      "a template that is no Jinja",
      { template: "{% for %}" },
      /chat\.jinja cannot be used: the template cannot be parsed: /,
    ],
    [
      "templates, none of them the default",
      { config: { chat_template: [{ name: "rag", template: "" }] } },
      /tokenizer_config\.json cannot be used: chat_template is neither/,
    ],
  ];

  it.each(unusable)("%s", async (_, written, message) => {
    await expect(openTokens(written)).rejects.toThrow(
      expect.objectContaining({ code: "config_invalid", message: expect.stringMatching(message) }),
    );
  });

  it("a file that is not there", async () => {
    const files = { ...writeTokenizer({}), template: "/nowhere/chat.jinja" };
    await expect(openTokensOf(files)).rejects.toThrow(
      expect.objectContaining({
        code: "config_invalid",
        message: "tokenizer file /nowhere/chat.jinja cannot be used: no such file",
      }),
    );
  });
});

describe("a template that says something else each time is refused", () => {
  it.each([
    ["strftime_now", `{{ strftime_now("%d %b %Y") }}`],
    [
      "strftime_now",
      `{% if strftime_now is defined %}{% set now = strftime_now("%Y") %}{% endif %}`,
    ],
    ["now", "{{ now() }}"],
    ["datetime", "{{ datetime.now() }}"],
    ["date", "{% if not x %}{{ {'today': [date]} | tojson }}{% endif %}"],
    ["random", "{{ [1, 2] | random }}"],
  ])("for it reads %s: %s", async (name, template) => {
    await expect(openTokens({ template })).rejects.toThrow(
      expect.objectContaining({
        code: "config_invalid",
        message: expect.stringContaining(`chat.jinja cannot be used: the template reads ${name},`),
      }),
    );
  });

  it.each([
    `{{ messages[0].date }}{{ messages[0]["now"] }}`,
    `{% set date = "26 Jul 2024" %}{{ date }}`,
    `{% for time in messages %}{{ time.role }}{% endfor %}`,
    `{% macro f(now, date=1) %}{{ now }}{{ date }}{% endmacro %}{{ f(now=1) }}`,
  ])("but not for a name of its own: %s", async (template) => {
    const tokens = await openTokens({ template });
    await expect(tokens.close()).resolves.toBeUndefined();
  });
});

it("a template file has precedence over the configuration's", async () => {
  const files = writeTokenizer({
    config: { chat_template: "{{ now() }}" },
    template: CHAT_TEMPLATE,
  });
  const tokens = await openTokensOf(files);
  await expect(tokens.close()).resolves.toBeUndefined();
});
