/**
 * What reading segments costs: all of them through the bytes API, and the same bytes of the same files through nginx with sendfile.
 * They come from the page cache, over one connection, to a reader that throws them away.
 */
import { bodyCrc } from "./body.ts";
import { readBodies, sendBody } from "./child-run.ts";
import { type Nginx, startNginx } from "./nginx.ts";
import { commit, putHead, reserve, type Reserved, type Service, TOKEN_BYTES } from "./service.ts";

const URI_PREFIX = "file:///";

export interface GetPlan {
  readonly rounds: number;
  /** Where nginx is not there it is downloaded. */
  readonly peer: "nginx" | "none";
  readonly segments: number;
  readonly segmentBytes: number;
}

/** Bytes per second. */
export interface GetRound {
  readonly ours: number;
  readonly nginx: number | undefined;
}

export async function measureGet(
  service: Service,
  plan: GetPlan,
  progress: (text: string) => void,
): Promise<GetRound[]> {
  const stored = await store(service, plan);
  const nginx = plan.peer === "none" ? undefined : await startPeer(service, progress);
  const { segmentBytes: bodyBytes } = plan;
  const rate = async (port: number, heads: readonly string[]) =>
    (heads.length * bodyBytes) / (await readBodies({ port, heads, bodyBytes }));
  const ours = () => rate(service.port, stored.map(ownHead));
  const theirs = async () =>
    nginx &&
    rate(
      nginx.port,
      stored.map((segment) => peerHead(segment, bodyBytes)),
    );
  try {
    await ours();
    await theirs();
    const rounds: GetRound[] = [];
    while (rounds.length < plan.rounds) {
      if (rounds.length % 2 === 0) rounds.push({ ours: await ours(), nginx: await theirs() });
      else rounds.push({ nginx: await theirs(), ours: await ours() });
    }
    return rounds;
  } finally {
    await nginx?.close();
  }
}

/** One after the other in one session. */
async function store(service: Service, { segments, segmentBytes }: GetPlan): Promise<Reserved[]> {
  const body = { bytes: segmentBytes, crc: bodyCrc(segmentBytes) };
  const stored: Reserved[] = [];
  while (stored.length < segments) {
    const tokens = ((stored.length + 1) * segmentBytes) / TOKEN_BYTES;
    const reserved = await reserve(service, "get", tokens);
    const head = putHead(reserved, body);
    await sendBody({ port: service.port, head, bodyBytes: segmentBytes });
    await commit(service, reserved);
    stored.push(reserved);
  }
  return stored;
}

async function startPeer(
  { root, folder }: Service,
  progress: (text: string) => void,
): Promise<Nginx | undefined> {
  try {
    return await startNginx(root, folder);
  } catch (reason) {
    progress(`no nginx: ${reason instanceof Error ? reason.message : String(reason)}`);
    return undefined;
  }
}

function ownHead({ segment }: Reserved): string {
  return `GET /v1/segments/${segment}/bytes HTTP/1.1\r\nhost: bench\r\n\r\n`;
}

function peerHead({ file, kvStart }: Reserved, bytes: number): string {
  const range = `range: bytes=${kvStart}-${kvStart + bytes - 1}`;
  return `GET /${file.slice(URI_PREFIX.length)} HTTP/1.1\r\nhost: bench\r\n${range}\r\n\r\n`;
}
