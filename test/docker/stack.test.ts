import { expect, it, onTestFinished } from "vitest";
import { dockerCommand } from "../../demo/stack/container.ts";
import { startStack } from "../support/stack.ts";
import { run } from "./command.ts";

it("the end-to-end cases meet Envoy and Moorline in containers that may do nothing else", async () => {
  const stack = await startStack({ bootstrap: "override-host", engines: [{ name: "a" }] });
  onTestFinished(async () => stack.close());
  const ids = (await run(dockerCommand, ["ps", "--quiet"])).trim().split("\n");
  const containers = JSON.parse(await run(dockerCommand, ["inspect", ...ids])) as readonly {
    readonly Config: { readonly Image: string; readonly User: string };
    readonly HostConfig: { readonly ReadonlyRootfs: boolean; readonly CapDrop: readonly string[] };
  }[];
  const seen = containers.map(({ Config: { Image, User }, HostConfig }) => ({
    Image,
    User,
    isReadOnly: HostConfig.ReadonlyRootfs,
    dropped: HostConfig.CapDrop,
  }));
  const sealed = { User: "65534:65534", isReadOnly: true, dropped: ["ALL"] };
  expect(seen.toSorted((a, b) => a.Image.localeCompare(b.Image))).toEqual([
    { Image: process.env["ENVOY_IMAGE"], ...sealed },
    { Image: process.env["MOORLINE_IMAGE"], ...sealed },
  ]);
});
