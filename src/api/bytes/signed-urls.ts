/**
 * URLs that let whoever holds one read one segment for a while, as an engine does that has no token of ours. The signature is
 * HMAC-SHA-256 over what may be done, the segment, for which tenant and until when. It lends the tenant's own right to read: what
 * the tenant may not see any more, its URLs do not show either.
 */
import { timingSafeEqual } from "node:crypto";

import type { SegmentId } from "../../kv/records.ts";
import type { BytesPorts } from "./bytes-ports.ts";

/** GET and HEAD, of any range and cut. */
const READ = "read";

export interface SignedQuery {
  readonly tenant: string;
  /** Unix time in milliseconds. */
  readonly expires: number;
  /** 64 hex digits. */
  readonly signature: string;
}

export class UrlSigner {
  readonly #ports: Pick<BytesPorts, "signingKey" | "digests">;

  constructor(ports: Pick<BytesPorts, "signingKey" | "digests">) {
    this.#ports = ports;
  }

  sign(segment: SegmentId, tenant: string, expires: number): SignedQuery {
    const signature = this.#signature(segment, tenant, expires).toString("hex");
    return { tenant, expires, signature };
  }

  /** `forged`: not signed with this key for just this segment, tenant and time. */
  judge(segment: SegmentId, query: SignedQuery, nowMs: number): "valid" | "expired" | "forged" {
    const { tenant, expires, signature } = query;
    const given = Buffer.from(signature, "hex");
    const expected = this.#signature(segment, tenant, expires);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return "forged";
    return nowMs < expires ? "valid" : "expired";
  }

  /** Tenants and ids are visible ASCII, so with a NUL between them no two texts are alike. */
  #signature(segment: SegmentId, tenant: string, expires: number): Buffer {
    const text = [READ, segment, tenant, String(expires)].join("\0");
    const { signingKey, digests } = this.#ports;
    return Buffer.from(digests.hmacSha256(signingKey, Buffer.from(text)));
  }
}
