import { expect, it } from "vitest";
import { BodyBudget } from "../../src/extproc/body-budget.ts";
import { errorOf } from "../support/exchange-harness.ts";
import { posted } from "../support/exchange-messages.ts";
import { setUpTurns } from "../support/turn-harness.ts";
it.each([
  ["announced", { "content-length": "1000000" }],
  ["not announced", {}],
])(
  "a body takes a small place in the budget until it is there, its length %s: idle uploads must not fill it",
  async (_, headers) => {
    const limits = { bodyLimitBytes: 1_000_000 };
    const budget = new BodyBudget(65_536);
    const { exchange, body } = setUpTurns(limits, { ports: { budget } });
    await exchange.send(posted(headers));
    expect(budget.heldBytes).toBe(65_536);
    const replies = await body(`{"a":"${"w".repeat(70_000)}"}`);
    expect(errorOf(replies.at(-1)).code).toBe("body_budget_full");
    expect(budget.heldBytes).toBe(0);
  },
);
