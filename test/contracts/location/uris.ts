import { beforeEach, describe, expect, it } from "vitest";

import type { Location } from "../../../src/kv/location.ts";
import { a, b, type OpenLocation } from "./objects.ts";

export function describeUris(opened: () => OpenLocation): void {
  describe("uri", () => {
    let location: Location;
    beforeEach(() => {
      location = opened().location;
    });

    it("leads back to its name, and differs for each", () => {
      expect(location.nameOf(location.uri(a))).toBe(a);
      expect(location.nameOf(location.uri(b))).toBe(b);
      expect(location.uri(a)).not.toBe(location.uri(b));
    });

    it.each([
      ["a folder up", (uri: string) => uri.replace(/a$/, "../a")],
      ["a folder up, escaped", (uri: string) => uri.replace(/a$/, "%2e%2e/a")],
      ["an escaped letter", (uri: string) => uri.replace(/a$/, "%61")],
      ["a slash more", (uri: string) => uri.replace(/a$/, "/a")],
      ["a slash at the end", (uri: string) => `${uri}/`],
      ["a query", (uri: string) => `${uri}?x`],
      ["a NUL", (uri: string) => `${uri}\0`],
      ["a line break", (uri: string) => `${uri}\n`],
      ["another scheme", (uri: string) => uri.replace(/^\w+/, "gopher")],
      ["nothing before the name", () => "a"],
      ["nothing at all", () => ""],
    ])("takes no URI that has %s", (_, tamper) => {
      expect(location.nameOf(tamper(location.uri(a)))).toBeUndefined();
    });
  });
}
