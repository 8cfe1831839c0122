/** Memory that the bodies of prompts under way may take, all of them together: what is one body too many is not read. */
import type { FastifyReply, FastifyRequest } from "fastify";

import { Problem } from "../http/problem.ts";

export class PromptBodies {
  readonly #limitBytes: number;
  #heldBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** A `preParsing` hook. Holds the body's length until the request is answered, or its connection is gone. Throws `busy`. */
  readonly hold = async (request: FastifyRequest, { raw: response }: FastifyReply) => {
    const bytes = lengthOf(request);
    if (this.#heldBytes + bytes > this.#limitBytes) {
      throw new Problem("busy", "too many prompts are being read", { "retry-after": "1" });
    }
    if (response.closed) return;
    this.#heldBytes += bytes;
    response.once("close", () => (this.#heldBytes -= bytes));
  };
}

/** A body that announces no length may have all that its route takes, and one that announces more is not read. */
function lengthOf({ headers, routeOptions }: FastifyRequest): number {
  const most = routeOptions.bodyLimit;
  return Math.min(Number(headers["content-length"] ?? most), most);
}
