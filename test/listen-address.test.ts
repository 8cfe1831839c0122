import { describe, expect, it } from "vitest";
import { AppError } from "../src/errors.ts";
import type { ListenAddress } from "../src/extproc/transport.ts";
import { formatListenAddress, listenFailed, underKey } from "../src/listen-address.ts";

const tcp: ListenAddress = { kind: "tcp", host: "::1", port: 80 };
const unix: ListenAddress = { kind: "unix", path: "/run/m.sock" };

it("an address is written as in the configuration", () => {
  expect([tcp, unix].map(formatListenAddress)).toEqual(["[::1]:80", "unix:/run/m.sock"]);
});

describe("an address that cannot be had", () => {
  it.each([
    [tcp, "EADDRINUSE", "[::1]:80 is taken: another process listens there"],
    [tcp, "EADDRNOTAVAIL", "[::1]:80 is no address of this machine"],
    [
      tcp,
      "EACCES",
      "[::1]:80 is not allowed to this process (ports below 1024 need CAP_NET_BIND_SERVICE)",
    ],
    [
      unix,
      "EACCES",
      "unix:/run/m.sock cannot be created: its folder does not exist, or may not be written to",
    ],
    [tcp, "EMFILE", "[::1]:80 cannot be listened on: what the system says"],
  ])("is named with what is wrong with it: %j %s", (address, code, message) => {
    const cause = Object.assign(new Error("what the system says"), { code });
    expect(listenFailed(address, cause)).toEqual(new AppError("listen_failed", message, { cause }));
  });

  it("is named with its key, under the same code", async () => {
    const cause = listenFailed(tcp, Object.assign(new Error(), { code: "EADDRINUSE" }));
    await expect(underKey("admin.listen", Promise.reject(cause))).rejects.toEqual(
      new AppError(
        "listen_failed",
        "admin.listen [::1]:80 is taken: another process listens there",
        { cause },
      ),
    );
  });
});
