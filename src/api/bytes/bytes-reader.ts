/**
 * Sends bytes of a segment. A chunk that the location lends is written to the socket and used up before the next one is asked for,
 * while the location reads ahead into its other buffer: nothing is copied and two chunks are held, whatever the length.
 *
 * The status is sent with the first chunk, so that a file that cannot be read at all is a problem document. Later there is no way
 * back: the connection is destroyed, and the client sees fewer bytes than Content-Length says.
 */
import type { FastifyReply } from "fastify";

import { LocationFault } from "../../kv/location.ts";
import type { Segment } from "../../kv/records.ts";
import { Problem } from "../../http/problem.ts";
import { BodyCut, BodyWatch } from "./body-watch.ts";
import type { ServedResult } from "./bytes-observer.ts";
import { type BytesPorts, READ_LIMIT_MS } from "./bytes-ports.ts";
import type { BytesInFlight } from "./in-flight.ts";
import type { ReadAnswer } from "./read-answer.ts";
import type { ReadableSegment } from "./readable-segment.ts";

export class BytesReader {
  readonly #ports: Pick<BytesPorts, "clock" | "limits" | "observer">;
  readonly #inFlight: BytesInFlight;

  constructor(ports: Pick<BytesPorts, "clock" | "limits" | "observer">, inFlight: BytesInFlight) {
    this.#ports = ports;
    this.#inFlight = inFlight;
  }

  /** Answers by itself, or throws a problem with nothing sent. */
  async send(reply: FastifyReply, stored: ReadableSegment, answer: ReadAnswer): Promise<void> {
    const { clock, observer } = this.#ports;
    const startedMs = clock.now();
    const sent = { bytes: 0 };
    const end = (result: ServedResult): void =>
      observer.served({ bytes: sent.bytes, durationMs: clock.now() - startedMs, result });
    const release = this.#inFlight.take(stored.tenant, answer.lengthBytes);
    if (release === undefined) {
      end("refused");
      throw new Problem("busy", "too many bytes are in flight", { "retry-after": "1" });
    }
    try {
      await this.#stream(reply, { stored, answer, sent });
      end("complete");
    } catch (reason) {
      end(reason instanceof BodyCut ? reason.reason : "fault");
      if (reason instanceof LocationFault) observer.unreadable(stored.segment, reason);
      if (!reply.sent && !(reason instanceof BodyCut)) throw problemOf(reason, stored.segment);
      abandon(reply);
    } finally {
      release();
    }
  }

  async #stream(reply: FastifyReply, body: Body): Promise<void> {
    const { clock: scheduler, limits } = this.#ports;
    const { raw: response } = reply;
    const { idleTimeoutMs } = limits;
    const watch = new BodyWatch({ response, scheduler, idleTimeoutMs, limitMs: READ_LIMIT_MS });
    try {
      for await (const chunk of chunksOf(body)) {
        if (!reply.sent) sendHead(reply, body.answer);
        await watch.wait((settle) => response.write(chunk, settle));
        body.sent.bytes += chunk.length;
      }
      response.end(); // all is with the peer, who may be gone before that is heard
    } finally {
      watch.close();
    }
  }
}

/** There is nobody to answer, or no way to. */
export function abandon(reply: FastifyReply): void {
  reply.hijack();
  reply.raw.destroy();
}

/** For what has no body to wait for: HEAD, and 304. */
export function sendHeadOnly(reply: FastifyReply, answer: ReadAnswer): void {
  sendHead(reply, answer);
  reply.raw.end();
}

interface Body {
  readonly stored: ReadableSegment;
  readonly answer: ReadAnswer;
  /** Grows. */
  readonly sent: { bytes: number };
}

function sendHead(reply: FastifyReply, { status, headers }: ReadAnswer): void {
  reply.hijack();
  reply.raw.writeHead(status, headers);
}

/** A part's head goes out when its first bytes are there. */
async function* chunksOf({ stored, answer }: Body): AsyncGenerator<Uint8Array, void> {
  const { location, segment } = stored;
  for (const { head, ranges } of answer.parts) {
    let unsent = head;
    for await (const chunk of location.read(segment.file.name, ranges)) {
      if (unsent !== undefined) yield unsent;
      unsent = undefined;
      yield chunk;
    }
  }
  if (answer.tail !== undefined) yield answer.tail;
}

function problemOf(reason: unknown, { id }: Segment): unknown {
  if (!(reason instanceof LocationFault)) return reason;
  return reason.code === "io"
    ? new Problem("store_failed", `the bytes of ${id} cannot be read now`)
    : new Problem("bytes_lost", `the bytes of ${id} are not where they were`);
}
