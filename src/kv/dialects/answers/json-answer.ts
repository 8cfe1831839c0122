/** An answer that is one JSON text. */
import type { AnswerEnd, AnswerReader } from "../dialect.ts";
import type { AnswerMembers } from "./answer-members.ts";
import { Captures } from "./captures.ts";
import { JsonSieve } from "./json-sieve.ts";
import { Outlet } from "./outlet.ts";

export class JsonAnswer implements AnswerReader {
  readonly #members: AnswerMembers;
  readonly #captures: Captures;
  readonly #out = new Outlet();
  readonly #sieve: JsonSieve;

  constructor(members: AnswerMembers) {
    this.#members = members;
    this.#captures = new Captures(members);
    this.#sieve = new JsonSieve({ plan: members.plan, out: this.#out, captures: this.#captures });
  }

  push(chunk: Uint8Array): Uint8Array {
    this.#out.lend(chunk);
    this.#sieve.push(chunk, 0, chunk.length);
    return this.#out.take(this.#sieve.heldFrom);
  }

  finish(): AnswerEnd {
    const { reading } = this.#members;
    const isAnswer = this.#sieve.isWhole && !reading.saysError(this.#captures);
    return {
      rest: this.#out.take(),
      answer: isAnswer ? reading.read(this.#captures) : undefined,
    };
  }
}
