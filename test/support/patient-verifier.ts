/** The verifier that a service has, for tests that move its clock. */
import { crc32 } from "node:zlib";

import { TwoPassVerifier } from "../../src/kv/verify/two-pass-verifier.ts";
import type { FakeClock } from "./fake-clock.ts";

export function patientVerifier(clock: FakeClock): TwoPassVerifier {
  return new TwoPassVerifier({
    clock,
    crc32,
    observer: { verified: () => {}, rechecked: () => {} },
    quietMs: 100,
    settleMaxMs: 10_000,
    engine: "probe",
    probeTimeoutMs: 100,
    passesLimit: 4,
    passBytesLimit: 2 ** 20,
    queueLimit: 10,
  });
}
