import { describe, expect, it } from "vitest";
import type { ChatPrompt } from "../../../src/kv/dialects/dialect.ts";
import { createChatTemplate } from "../../../src/kv/tokens/chat-template.ts";
import type { RenderLimits } from "../../../src/kv/tokens/chat-template.ts";
import { CHAT_TEMPLATE } from "../../support/small-tokenizer.ts";

const CONFIG = { bos_token: { content: "<s>" }, eos_token: "</s>" };
const LIMITS = { chars: 200 };

/** Goes through a content part by part. */
const PARTS = `{% for message in messages %}{% if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content %}[{{ part.text }}]{% endfor %}{% endif %}{% endfor %}`;

describe("a chat", () => {
  it("ends where the assistant's answer begins", () => {
    expect(render(CHAT_TEMPLATE, { messages: [user("hello")] })).toBe(
      "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  it("is rendered with its tools, arguments of the template and special tokens", () => {
    const template =
      "{{ bos_token }}{{ tools | tojson }}{{ mood }}{{ tools is none }}{{ eos_token }}";
    const tools = [{ function: { name: "f" } }];
    const chat = { messages: [user("")], tools, templateKwargs: { mood: "calm" } };
    const json = `[{"type": "function", "function": ${dumped()}, "defer_loading": null}]`;
    expect(render(template, chat)).toBe(`<s>${json}calmFalse</s>`);
    expect(render("{{ tools is none }}", { messages: [user("")] })).toBe("True");
  });

  it("has the members of its tools that the engine knows, in the engine's order", () => {
    const called = { parameters: { b: 1, a: 2 }, strict: true, name: "f", description: "d" };
    const tool = { "x-own": 1, defer_loading: true, function: { ...called, more: 1 } };
    const function_ = `{"description": "d", "name": "f", "parameters": {"b": 1, "a": 2}, "strict": true, "defer_loading": true}`;
    expect(render("{{ tools[0] | tojson }}", { messages: [user("")], tools: [tool] })).toBe(
      `{"type": "function", "function": ${function_}, "defer_loading": true}`,
    );
  });

  it("may have a tool with types of JSON Schema, and a property that is called type", () => {
    const parameters = { properties: { type: { type: ["string", "null"] } }, type: "object" };
    const rendered = render("{{ tools[0].function.parameters | tojson }}", {
      tools: toolOf(parameters),
    });
    expect(JSON.parse(rendered ?? "")).toEqual(parameters);
  });

  it("has the members of its messages that the engine knows", () => {
    const messages = [
      { role: "System", tools: [{ function: { name: "f" } }], more: 1 },
      { role: "user", name: "n", content: [{ type: "text", text: "a", cache_control: {} }] },
      { role: "assistant", tool_calls: [{ more: 1, function: { arguments: {}, name: "f" } }] },
      { role: "tool", name: "f", tool_call_id: "1", content: "b" },
    ];
    const tool = `{"type": "function", "function": ${dumped()}, "defer_loading": null}`;
    const call = `{"id": null, "index": null, "type": "function", "function": {"name": "f", "arguments": {}}}`;
    const rendered = [
      `{"role": "system", "content": "", "tools": [${tool}]}`,
      `{"role": "user", "content": [{"type": "text", "text": "a"}]}`,
      `{"role": "assistant", "content": "", "tool_calls": [${call}]}`,
      `{"role": "tool", "content": "b", "tool_call_id": "1", "name": "f"}`,
    ];
    const template = `{% for m in messages %}{{ m | tojson }}
{% if m.content is string %}{% else %}{% for p in m.content %}{% endfor %}{% endif %}{% endfor %}`;
    expect(render(template, { messages }, { chars: 1000 })?.trim().split("\n")).toEqual(rendered);
  });

  it.each([
    ["{{ x.yes }}{{ x.no|string }}{{ 'a' ~ x.yes }}{{ x.none }}", "TrueFalseaTrueNone"],
    ["{{ (x.yes and 'a') }}{{ x.list|join(',') }}{{ x.n }}{{ x.lost }}", "ab,17"],
    ["{% for i in range(1, 4) %}{{ i }}{% endfor %}{{ range(2)|list|length }}", "1232"],
    [
      "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x.no) }}{% set y %}{{ x.yes }}{% endset %}{{ y }}",
      "FalseTrue",
    ],
    ["{{ x|tojson }}", `{"yes": true, "no": false, "none": null, "list": ["b", 1], "n": 7}`],
    ["{{ x.yes is number }}", undefined],
    ["{{ x.list }}", undefined],
    ["{{ x }}", undefined],
    ["{{ 'a' ~ x.list }}", undefined],
    ["{{ x.list|string }}", undefined],
    ["{{ [x.yes]|join }}", undefined],
  ])("has %s written out as Python does, or is refused", (template, text) => {
    const x = { yes: true, no: false, none: null, list: ["b", 1], n: 7 };
    expect(render(template, { templateKwargs: { x } })).toBe(text);
  });

  it("goes on with the assistant's own last message where that is asked for, in a text apart", () => {
    const messages = [user("hello"), { role: "assistant", content: "wor" }];
    expect(renderParts(CHAT_TEMPLATE, { messages, continueFinalMessage: true })).toEqual({
      text: "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n",
      continued: "wor",
    });
  });

  it("shows a last message of the assistant as the user's otherwise, as SGLang does", () => {
    const messages = [user("hello"), { role: "assistant", content: "world" }];
    const asUser = [user("hello"), user("world")];
    expect(render(CHAT_TEMPLATE, { messages })).toBe(render(CHAT_TEMPLATE, { messages: asUser }));
  });

  it("has an empty content where there is none, and no members that are null", () => {
    const template = "{% for m in messages %}{{ m.content }}|{{ m.name is defined }};{% endfor %}";
    const messages = [
      { role: "user", content: null, name: null },
      { role: "tool", name: "f" },
    ];
    expect(render(template, { messages })).toBe("|False;|True;");
  });

  it("has the parts of a content joined, unless the template takes parts", () => {
    const parts = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    const messages = [
      { role: "user", content: parts },
      { role: "tool", content: parts },
    ];
    expect(render("{{ messages[0].content }}", { messages })).toBe("a b");
    const own = `{% for p in messages[0]["content"] %}{{ p.text }}{% endfor %}`;
    expect(render(`${own}{# no image #}`, { messages })).toBe("ab");
    expect(render(PARTS, { messages })).toBe("[a][b]a b");
  });

  it("has the arguments of tool calls as objects", () => {
    const call = { id: "1", function: { name: "f", arguments: '{"x": [1, "y"]}' } };
    const messages = [{ role: "assistant", tool_calls: [call] }, user("")];
    const template = "{{ messages[0].tool_calls[0].function.arguments.x[1] }}";
    expect(render(template, { messages })).toBe("y");
  });
});

describe("a chat is refused", () => {
  const calls = (json: string) => [
    { role: "assistant", tool_calls: [{ function: { name: "f", arguments: json } }] },
    user(""),
  ];

  it.each<[string, Partial<ChatPrompt>]>([
    ["whose last number is no double", { messages: [{ ...user(""), n: 2 ** 53 }] }],
    ["whose keys have lost their order", { tools: [{ properties: { 2: {}, 1: {} } }] }],
    ["with arguments of a tool call that are no JSON", { messages: calls("{") }],
    ["with arguments of a tool call that are no object", { messages: calls("[]") }],
    ["with a number that an engine may write in another way", { messages: calls('{"x": 1.0}') }],
    ["with a number that an engine writes with an exponent", { messages: calls('{"x": 0.00001}') }],
    ["with an exponent that an engine writes in another way", { messages: calls('{"x": 1e-7}') }],
    ["with a key that has lost its order in a tool call", { messages: calls('{"7": 1}') }],
    ["with an argument that is the engine's own", { templateKwargs: { messages: [] } }],
    ["with a template of its own", { templateKwargs: { chat_template: "x" } }],
    ["that is to be cut", { templateKwargs: { max_length: 8 } }],
    ["with a tool that has no function", { tools: [{ name: "f" }] }],
    ["with a tool that has no name", { tools: [{ function: {} }] }],
    ["with a tool of another type than a text", { tools: [{ type: 1, function: { name: "f" } }] }],
    ["with a tool described by no text", { tools: [{ function: { name: "f", description: 1 } }] }],
    ["with a tool that may be strict", { tools: [{ function: { name: "f", strict: "yes" } }] }],
    ["with a tool of a type that is none", { tools: toolOf({ items: [{ type: "varchar" }] }) }],
    ["with a tool of types that are none", { tools: toolOf({ type: ["string", "String"] }) }],
    ["with a tool of one type twice", { tools: toolOf({ type: ["null", "null"] }) }],
    ["with a tool that may wait", { tools: [{ defer_loading: 1, function: { name: "f" } }] }],
    ["with a variable that is the template language's own", { templateKwargs: { range: 1 } }],
    ["whose text is longer than the limit", { messages: [user("x".repeat(200))] }],
  ])("%s", (_, chat) => {
    expect(render(CHAT_TEMPLATE, { messages: [user("")], ...chat })).toBeUndefined();
  });

  it("where the template raises an exception", () => {
    const template = "{{ raise_exception('roles must alternate') }}";
    expect(render(template, { messages: [user("")] })).toBeUndefined();
  });

  it("never at the limit", () => {
    expect(render("{{ messages[0].content }}", { messages: [user("x".repeat(200))] })).toHaveLength(
      200,
    );
  });
});

function toolOf(parameters: object) {
  return [{ function: { name: "f", parameters } }];
}

/** A function of which a request says the name alone. */
function dumped(): string {
  return `{"description": null, "name": "f", "parameters": null, "strict": false}`;
}

function user(content: string) {
  return { role: "user", content };
}

/** The text of a prompt with nothing behind it. */
function render(
  text: string,
  chat: Partial<ChatPrompt>,
  limits: RenderLimits = LIMITS,
): string | undefined {
  const rendered = renderParts(text, chat, limits);
  if (rendered !== undefined) expect(rendered.continued).toBe("");
  return rendered?.text;
}

function renderParts(text: string, chat: Partial<ChatPrompt>, limits: RenderLimits = LIMITS) {
  return createChatTemplate({ file: "chat.jinja", text }, CONFIG, limits).render({
    messages: [],
    tools: undefined,
    templateKwargs: {},
    continueFinalMessage: false,
    ...chat,
  });
}
