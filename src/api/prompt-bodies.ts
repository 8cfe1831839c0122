/**
 * Memory that the bodies of prompts under way may take, all of them together: what is one body too many is not read. Those that wait for
 * KV to come nearer, for up to a minute, are counted apart and may take as much again, so that they keep nobody else from being read.
 */
import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";

import { Problem } from "../http/problem.ts";

export class PromptBodies {
  readonly #limitBytes: number;
  #readBytes = 0;
  #waitingBytes = 0;
  /** Of those that are held, by what they are answered with: how many bytes, and which of the two sums has them. */
  readonly #held = new Map<ServerResponse, HeldBody>();

  /** Of each of the two. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** A `preParsing` hook. Holds the body's length until the request is answered, or its connection is gone. Throws `busy`. */
  readonly hold = async (request: FastifyRequest, { raw: response }: FastifyReply) => {
    const bytes = lengthOf(request);
    if (this.#readBytes + bytes > this.#limitBytes) {
      throw new Problem("busy", "too many prompts are being read", { "retry-after": "1" });
    }
    if (response.closed) return;
    this.#readBytes += bytes;
    this.#held.set(response, { bytes, isWaiting: false });
    response.once("close", () => this.#release(response));
  };

  /** From here on its request waits. False, and it is to wait for nothing, if too many do already. */
  wait({ raw: response }: FastifyReply): boolean {
    const held = this.#held.get(response);
    if (held === undefined || held.isWaiting) return held !== undefined;
    if (this.#waitingBytes + held.bytes > this.#limitBytes) return false;
    this.#readBytes -= held.bytes;
    this.#waitingBytes += held.bytes;
    this.#held.set(response, { ...held, isWaiting: true });
    return true;
  }

  #release(response: ServerResponse): void {
    const held = this.#held.get(response);
    if (held === undefined) return;
    this.#held.delete(response);
    if (held.isWaiting) this.#waitingBytes -= held.bytes;
    else this.#readBytes -= held.bytes;
  }
}

interface HeldBody {
  readonly bytes: number;
  readonly isWaiting: boolean;
}

/** A body that announces no length may have all that its route takes, and one that announces more is not read. */
function lengthOf({ headers, routeOptions }: FastifyRequest): number {
  const most = routeOptions.bodyLimit;
  return Math.min(Number(headers["content-length"] ?? most), most);
}
