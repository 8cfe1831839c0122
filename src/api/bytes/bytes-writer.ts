/**
 * Takes the bytes of a reserved segment, in place, for an engine that has no mount. What is written is listed by nobody: that takes
 * the turn's commit, and verification. So a body that is cut or wrong leaves a range whose bytes are undefined, and may be sent again.
 *
 * A segment takes one body at a time, and none once its turn was committed: the state is looked at again before each chunk, since
 * bytes that were verified must not change. The turn's deadline bounds the whole body.
 */
import type { FastifyReply, FastifyRequest } from "fastify";

import { LocationFault } from "../../kv/location.ts";
import type { Segment, SegmentId } from "../../kv/records.ts";
import { Problem } from "../../http/problem.ts";
import { invalidField, noSuch } from "../refusals.ts";
import { BodyCut, BodyWatch } from "./body-watch.ts";
import type { ReceivedResult } from "./bytes-observer.ts";
import type { BytesPorts } from "./bytes-ports.ts";
import type { BytesInFlight } from "./in-flight.ts";
import { UploadBody } from "./upload-body.ts";

/** More than this of a refused body is not read: the connection is closed, though the client may then miss the answer. */
const DRAIN_LIMIT_BYTES = 8 * 1024 * 1024;

export interface Upload {
  readonly segment: SegmentId;
  readonly tenant: string;
  /** Undefined: all that were reserved. */
  readonly tokenLength: number | undefined;
  readonly bytes: number;
  readonly crc: number;
  readonly isDurable: boolean;
}

type WriterPorts = Pick<
  BytesPorts,
  "catalog" | "location" | "clock" | "nowMs" | "limits" | "observer"
>;

export class BytesWriter {
  readonly #ports: WriterPorts;
  readonly #inFlight: BytesInFlight;
  /** Bodies under way. */
  readonly #taking = new Set<SegmentId>();

  constructor(ports: WriterPorts, inFlight: BytesInFlight) {
    this.#ports = ports;
    this.#inFlight = inFlight;
  }

  /**
   * True when the bytes are in place, and on disk if that was asked for. False if the body was cut, and there is nobody to answer.
   * Throws problems.
   */
  async receive(request: FastifyRequest, reply: FastifyReply, upload: Upload): Promise<boolean> {
    const { clock, observer } = this.#ports;
    const startedMs = clock.now();
    const taken = { bytes: 0 };
    const end = (result: ReceivedResult): void =>
      observer.received({ bytes: taken.bytes, durationMs: clock.now() - startedMs, result });
    try {
      await this.#admit(request, reply, { upload, taken });
      end("complete");
      return true;
    } catch (reason) {
      end(resultOf(reason));
      if (reason instanceof BodyCut) {
        reply.hijack();
        return false;
      }
      const unread = request.raw.complete ? 0 : upload.bytes - taken.bytes;
      if (unread > DRAIN_LIMIT_BYTES) reply.header("connection", "close");
      throw reason;
    }
  }

  async #admit(request: FastifyRequest, reply: FastifyReply, body: Body): Promise<void> {
    const { segment: id } = body.upload;
    const { segment, deadlineMs } = await this.#writable(body.upload);
    assertLength(segment, body.upload);
    if (this.#taking.has(id)) throw notWritable(`${id} is being written by another request`);
    const release = this.#inFlight.take(body.upload.tenant, body.upload.bytes);
    if (release === undefined) {
      throw new Problem("busy", "too many bytes are in flight", { "retry-after": "1" });
    }
    this.#taking.add(id);
    const { clock: scheduler, limits, nowMs } = this.#ports;
    const { idleTimeoutMs } = limits;
    const limitMs = deadlineMs - nowMs();
    const watch = new BodyWatch({ response: reply.raw, scheduler, idleTimeoutMs, limitMs });
    try {
      await this.#write(segment, new UploadBody(request.raw, watch, body.upload.bytes), body);
    } finally {
      watch.close();
      this.#taking.delete(id);
      release();
    }
  }

  async #write(segment: Segment, source: UploadBody, body: Body): Promise<void> {
    const { upload } = body;
    const { location: where, name } = segment.file;
    const location = this.#ports.location(where);
    if (location === undefined) {
      throw new Problem("store_failed", `location ${where} is not configured`);
    }
    const written = await location.writeAt({
      name,
      offset: segment.kvStart,
      source: this.#guarded(source, body),
      expect: { bytes: upload.bytes, crc: upload.crc },
    });
    if (written instanceof LocationFault) throw problemOf(written);
    const synced = upload.isDurable ? await location.sync(name) : undefined;
    if (synced instanceof LocationFault) throw problemOf(synced);
    await this.#writable(upload);
  }

  async *#guarded(source: UploadBody, { upload, taken }: Body): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of source.chunks()) {
      await this.#writable(upload);
      taken.bytes += chunk.length;
      yield chunk;
    }
  }

  async #writable({ segment: id, tenant }: Upload) {
    const { catalog, nowMs } = this.#ports;
    const segment = await catalog.segment(id);
    if (segment?.tenant !== tenant) throw noSuch("segment");
    if (segment.state !== "reserved") throw notWritable(`${id} is ${segment.state}, not reserved`);
    const turn = await catalog.turn(segment.turn);
    if (turn !== undefined && turn.deadlineMs > nowMs()) {
      return { segment, deadlineMs: turn.deadlineMs };
    }
    throw notWritable(`the turn of ${id} is over`);
  }
}

interface Body {
  readonly upload: Upload;
  /** What was given to the location. Grows. */
  readonly taken: { bytes: number };
}

function assertLength(segment: Segment, { bytes, tokenLength }: Upload): void {
  const tokens = tokenLength ?? segment.tokenLength;
  if (tokens < 1 || tokens > segment.tokenLength) {
    const limit = `1 to ${segment.tokenLength}, as reserved`;
    throw invalidField({ field: "query.token_length", value: String(tokens), limit });
  }
  const expected = (segment.bytes / segment.tokenLength) * tokens;
  if (bytes === expected) return;
  const of = `${expected}, of ${tokens} tokens`;
  throw new Problem("bytes_mismatch", `header.content-length ${bytes} must be ${of}`);
}

function notWritable(detail: string): Problem {
  return new Problem("segment_not_writable", detail);
}

function problemOf(fault: LocationFault): Problem {
  switch (fault.code) {
    case "mismatch":
      return new Problem("bytes_mismatch", "the CRC-32 of the body is another one");
    case "not_found":
    case "out_of_range":
    case "not_ours":
    case "exists":
      return new Problem("bytes_lost", "the file of the reservation is not there any more");
    case "no_space":
    case "io":
      return new Problem("store_failed", `the location failed: ${fault.code}`);
  }
}

function resultOf(reason: unknown): ReceivedResult {
  if (reason instanceof BodyCut) return reason.reason;
  if (!(reason instanceof Problem)) return "fault";
  switch (reason.code) {
    case "busy":
      return "refused";
    case "bytes_mismatch":
      return "mismatch";
    case "bytes_lost":
    case "store_failed":
      return "fault";
    default:
      return "conflict";
  }
}
