import { expect, it, onTestFinished } from "vitest";

import { until } from "../../support/until.ts";
import { BytesStand, MIB } from "./bytes-stand.ts";
import { Peer } from "./peer.ts";

/** With the server's read-ahead, and with more than the sockets take. */
it.each([8 * MIB, 32 * MIB])(
  "a server that closes sends %i bytes to their end to a peer that is slow",
  async (bytes) => {
    const stand = await BytesStand.open();
    onTestFinished(async () => void (await stand.close()));
    const { id } = await stand.durable("a", bytes / stand.layout.bytesPerToken);
    const peer = await Peer.connect(stand.port);
    peer.request(`GET /v1/segments/${id}/bytes`);
    await until(() => stand.inFlight.length > 0);
    const closed = stand.closeServer();
    await until(() => !stand.isListening);
    peer.read();
    await closed;
    await until(() => peer.isClosed);
    const { received } = peer;
    expect(received.length - received.indexOf("\r\n\r\n") - 4).toBe(bytes);
    expect(stand.served).toMatchObject([{ result: "complete", bytes }]);
  },
);
