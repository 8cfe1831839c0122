import { expect, it, onTestFinished } from "vitest";
import { bytesOf, MODEL, type Plan } from "../support/kv-service.ts";
import { KvImage } from "./kv-image.ts";
import { docker, healthcheck } from "./sidecar.ts";

const PROMPT = Array.from({ length: 64 }, (_, at) => at + 1);
const ENGINE = "engine/1";

async function create(roles: string): Promise<KvImage> {
  const service = await KvImage.create(roles);
  onTestFinished(() => service.close());
  return service;
}

async function plan({ client }: KvImage, ids: number[]): Promise<Plan> {
  const { data, error } = await client.POST("/v1/sessions/{id}/plan", {
    params: { path: { id: "s1" } },
    body: { prompt: { ids }, max_new_tokens: 0, engine: ENGINE },
  });
  expect(error).toBeUndefined();
  return data as Plan;
}

/** A session with one durable segment, which an engine has written. */
async function store(service: KvImage): Promise<void> {
  const { client } = service;
  const { response } = await client.POST("/v1/sessions", { body: { id: "s1", model: MODEL } });
  expect(response.status).toBe(201);
  const { turn, fresh_kv_cache } = await plan(service, PROMPT);
  for (const part of fresh_kv_cache) {
    expect(await service.write(part, bytesOf(PROMPT, part))).toBe("EACCES");
  }
  const { data } = await client.POST("/v1/turns/{turn}/commit", {
    params: { path: { turn: turn ?? "" }, query: { wait: "settled" } },
    body: { prompt: { ids: PROMPT }, output_ids: [], fresh_kv_cache, engine: ENGINE },
  });
  expect(data).toMatchObject({ listed: [{ token_start: 0, token_length: 64 }], dropped: [] });
}

async function segments({ client }: KvImage) {
  const { data } = await client.GET("/v1/sessions/{id}/segments", {
    params: { path: { id: "s1" } },
  });
  return data?.segments ?? [];
}

it.each([
  { roles: "kv", extprocListeners: 0 },
  { roles: "routing,kv", extprocListeners: 1 },
])(
  "the image with `--roles $roles` has every segment after kill -9, in another container over the same folders",
  async ({ roles, extprocListeners }) => {
    const service = await create(roles);
    const { id, addresses } = await service.start();
    expect(addresses.extproc).toHaveLength(extprocListeners);
    expect(await docker("exec", id, ...healthcheck)).toBe("");
    await store(service);
    const before = await segments(service);
    expect(before).toMatchObject([{ token_start: 0, token_length: 64, state: "durable" }]);
    await docker("kill", "--signal=KILL", id);
    expect(await docker("wait", id)).toBe("137");

    await service.start();
    expect(await segments(service)).toEqual(before);
    const { stored_kv_cache: stored } = await plan(service, [...PROMPT, 1]);
    expect(stored).toMatchObject([{ token_start: 0, token_length: 64, kv_uri: "file:///s1" }]);
  },
);
