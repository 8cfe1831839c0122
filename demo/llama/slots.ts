/** What is asked of a llama-server's slots by whoever stands beside Moorline: a test, or somebody who bypasses it. */
export interface SlotReport {
  readonly id: number;
  readonly is_processing: boolean;
  /** None before the first request. */
  readonly id_task?: number;
  readonly n_prompt_tokens?: number;
}

export interface SlotFileReport {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** For a llama-server: it ends a connection that is silent for a few seconds, perhaps just when the next request is sent on it. */
export const OWN_CONNECTION = { connection: "close" } as const;

export async function readSlots(url: string): Promise<readonly SlotReport[]> {
  const response = await fetch(`${url}/slots`, { headers: OWN_CONNECTION });
  if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`);
  return (await response.json()) as readonly SlotReport[];
}

export interface SlotAction {
  readonly slot: number;
  readonly action: "save" | "restore" | "erase";
  readonly filename?: string;
}

/** Rejects where the server goes away meanwhile. */
export async function actOnSlot(
  url: string,
  { slot, action, filename }: SlotAction,
): Promise<SlotFileReport> {
  const response = await fetch(`${url}/slots/${slot}?action=${action}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...OWN_CONNECTION },
    body: JSON.stringify(filename === undefined ? {} : { filename }),
  });
  return { status: response.status, body: (await response.json()) as SlotFileReport["body"] };
}
