/**
 * The bytes of segments over HTTP: for engines and tools that have no mount of the location.
 *
 * Reading is for durable segments that the caller's tenant may see, or whoever holds a signed URL; everything else is not found.
 * Bytes go past Fastify, straight between the socket and the location.
 */
import type { FastifyReply, FastifyRequest } from "fastify";

import { formatAddress } from "../../endpoints/endpoint.ts";
import type { Segment, SegmentId } from "../../kv/records.ts";
import type { Api } from "../api.ts";
import { tenantOf } from "../principal.ts";
import { Problem } from "../../http/problem.ts";
import { invalidField, noSuch } from "../refusals.ts";
import { problemAnswers } from "../schemas/problem.ts";
import type { BytesPorts } from "./bytes-ports.ts";
import { BytesReader, sendHeadOnly } from "./bytes-reader.ts";
import {
  headAnswers,
  readAnswerHeaders,
  readAnswers,
  readHeaders,
  readQuery,
  type ReadQuery,
  segmentPath,
  signedUrl,
  urlRequest,
  writeBody,
  writeHeaders,
  writeQuery,
  writtenBytes,
} from "./bytes-schemas.ts";
import { BytesWriter } from "./bytes-writer.ts";
import { BytesInFlight } from "./in-flight.ts";
import { answerRead, CRC_HEADER } from "./read-answer.ts";
import { findReadable, openReadable, parseSegmentId } from "./readable-segment.ts";
import { crcText, cutOfSegment, type Representation, wholeSegment } from "./representation.ts";
import { UrlSigner } from "./signed-urls.ts";
import { chooseTokens } from "./token-range.ts";

const tags = ["segments"];
const BYTES_PATH = "/v1/segments/:id/bytes";
const URL_PATH = "/v1/segments/:id/url";

/** The longest that a timer takes: bodies have limits of their own. */
const NO_HANDLER_TIMEOUT_MS = 2 ** 31 - 1;

/** The server sets `principal`, compiles zod schemas and writes problems; it must not time requests out that are arriving. */
export async function addBytesRoutes(api: Api, ports: BytesPorts): Promise<void> {
  const inFlight = new BytesInFlight(ports);
  const signer = new UrlSigner(ports);
  addReads(api, { ports, signer, reader: new BytesReader(ports, inFlight) });
  addUrls(api, { ports, signer });
  await api.register(async (raw: Api) => {
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, _body, done) => done(null)); // left on the socket
    addWrite(raw, new BytesWriter(ports, inFlight));
  });
}

interface Reads {
  readonly ports: BytesPorts;
  readonly signer: UrlSigner;
  readonly reader: BytesReader;
}

function addReads(api: Api, reads: Reads): void {
  for (const method of ["GET", "HEAD"] as const) {
    api.route({
      method,
      url: BYTES_PATH,
      exposeHeadRoute: false,
      config: {
        allowsSignedUrl: true,
        answerHeaders: readAnswerHeaders,
        swagger: { exposeHeadRoute: true },
      },
      schema: {
        operationId: "readSegmentBytes", // of HEAD, with a suffix
        summary:
          method === "GET"
            ? "The bytes of a durable segment, or of some of its tokens"
            : "What a GET without a Range would say of them",
        tags,
        params: segmentPath,
        querystring: readQuery,
        headers: readHeaders,
        response: { ...(method === "GET" ? readAnswers : headAnswers), ...problemAnswers },
      },
      handler: async (request, reply) => {
        const { params, query } = request;
        await read(reads, { request, reply, method, id: parseSegmentId(params.id), query });
        return reply;
      },
    });
  }
}

interface Read {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly method: "GET" | "HEAD";
  readonly id: SegmentId;
  readonly query: ReadQuery;
}

async function read(
  { ports, signer, reader }: Reads,
  { request, reply, method, id, query }: Read,
): Promise<void> {
  const tenant = isSigned(query) ? signedTenant(id, query, { ports, signer }) : tenantOf(request);
  const stored = await openReadable(ports, id, tenant);
  if (reply.sent) return; // to read it again took longer than a handler may
  const { headers } = request;
  const conditional = {
    method,
    range: headers.range,
    ifMatch: headers["if-match"],
    ifNoneMatch: headers["if-none-match"],
    ifRange: single(headers["if-range"]),
  };
  const answer = answerRead(conditional, shownAs(stored.segment, query, ports), () =>
    boundaryOf(id, ports),
  );
  if (method === "HEAD" || answer.parts.length === 0) return sendHeadOnly(reply, answer);
  ports.read(stored.segment, answer.lengthBytes);
  return reader.send(reply, stored, answer);
}

function isSigned({ tenant, expires, signature }: ReadQuery): boolean {
  return tenant !== undefined || expires !== undefined || signature !== undefined;
}

/** A forged URL is as unknown as one of no segment. */
function signedTenant(
  id: SegmentId,
  { tenant = "", expires = 0, signature = "" }: ReadQuery,
  { ports, signer }: Pick<Reads, "ports" | "signer">,
): string {
  switch (signer.judge(id, { tenant, expires, signature }, ports.nowMs())) {
    case "valid":
      return tenant;
    case "expired":
      throw new Problem("url_expired", `the URL was good until ${expires}`);
    case "forged":
      throw noSuch("segment");
  }
}

function shownAs(segment: Segment, query: ReadQuery, ports: BytesPorts): Representation {
  const { token_start: tokenStart, token_length: tokenLength, rank } = query;
  if (tokenStart === undefined && tokenLength === undefined && rank === undefined) {
    return wholeSegment(segment);
  }
  const known = ports.layout(segment.geometry);
  if (known === undefined) {
    throw new Problem("geometry_unknown", `no configured model has the geometry of ${segment.id}`);
  }
  const range = chooseTokens(segment, known, { tokenStart, tokenLength, rank });
  return cutOfSegment(segment, known, range);
}

/** Nobody can have written it into a segment, as nobody can guess it before the segment is durable, nor change it after. */
function boundaryOf(id: SegmentId, { digests, signingKey }: BytesPorts): string {
  const digest = digests.hmacSha256(signingKey, Buffer.from(`boundary\0${id}`));
  return Buffer.from(digest).toString("hex").slice(0, 32);
}

function single(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "string" ? header : header?.join(", ");
}

function addUrls(api: Api, { ports, signer }: Pick<Reads, "ports" | "signer">): void {
  api.route({
    method: "POST",
    url: URL_PATH,
    schema: {
      operationId: "signSegmentUrl",
      summary: "A URL that lets whoever has it read the segment for a while",
      tags,
      params: segmentPath,
      body: urlRequest,
      response: { 200: signedUrl, ...problemAnswers },
    },
    handler: async (request) => {
      const id = parseSegmentId(request.params.id);
      const tenant = tenantOf(request);
      await findReadable(ports, id, tenant);
      const { expires_in_ms: validMs } = request.body;
      if (validMs > ports.limits.signedUrlLimitMs) {
        const limit = `at most ${ports.limits.signedUrlLimitMs}`;
        throw invalidField({ field: "expires_in_ms", value: String(validMs), limit });
      }
      const expires = ports.nowMs() + validMs;
      const { signature } = signer.sign(id, tenant, expires);
      const query = new URLSearchParams({ tenant, expires: String(expires), signature });
      const path = BYTES_PATH.replace(":id", id);
      const url = `${ports.publicUrl ?? ownUrl(request)}${path}?${query.toString()}`;
      return { url, expires_at_ms: expires };
    },
  });
}

/** The listener's address as this connection met it. What the client calls us is not believed: others follow the URL. */
function ownUrl({ protocol, socket }: FastifyRequest): string {
  const { localAddress = "", localPort = 0 } = socket;
  return `${protocol}://${formatAddress(localAddress.replace(/^::ffff:/i, ""), localPort)}`;
}

function addWrite(api: Api, writer: BytesWriter): void {
  api.route({
    method: "PUT",
    url: BYTES_PATH,
    handlerTimeout: NO_HANDLER_TIMEOUT_MS,
    schema: {
      operationId: "writeSegmentBytes",
      summary: "Takes the bytes of a reserved segment; listing them takes the turn's commit",
      description:
        "The body has just the bytes of the tokens, in any content type. It needs a Content-Length.",
      tags,
      params: segmentPath,
      querystring: writeQuery,
      headers: writeHeaders,
      consumes: ["application/octet-stream"],
      body: writeBody,
      response: { 201: writtenBytes, ...problemAnswers },
    },
    handler: async (request, reply) => {
      const { params, query, headers } = request;
      const isDurable = query.durable === "true";
      const crc = Number.parseInt(headers[CRC_HEADER], 16);
      const bytes = contentLength(request, reply);
      const segment = parseSegmentId(params.id);
      const tenant = tenantOf(request);
      const { token_length: tokenLength } = query;
      const upload = { segment, tenant, tokenLength, bytes, crc, isDurable };
      if (!(await writer.receive(request, reply, upload))) return reply;
      const written = { id: segment, bytes, crc32: crcText(crc), durable: isDurable };
      return reply.code(201).send(written);
    },
  });
}

/** The HTTP parser sees to it that the body has just so many. */
function contentLength({ raw }: FastifyRequest, reply: FastifyReply): number {
  const announced = raw.headers["content-length"];
  if (announced !== undefined) return Number(announced);
  reply.header("connection", "close");
  throw new Problem("length_required", "header.content-length is required");
}
