import { once } from "node:events";
import { createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { freePort } from "../../../demo/stack/ports.ts";

async function occupy(port: number): Promise<void> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
}

it("a free port is none that Linux gives to whoever asks for any, and is given once", async () => {
  const ports = await Promise.all(Array.from({ length: 100 }, () => freePort()));
  expect(new Set(ports).size).toBe(100);
  expect(Math.min(...ports)).toBeGreaterThan(10_000); // below are those of known services
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

it("a free port is the preferred one unless somebody listens there", async () => {
  const preferred = await freePort();
  expect(await freePort(preferred)).toBe(preferred);
  await occupy(preferred);
  expect(await freePort(preferred)).not.toBe(preferred);
});

it("a free port is none where somebody listens already", async () => {
  const next = (await freePort()) + 1;
  await occupy(next);
  expect(await freePort()).not.toBe(next);
});
