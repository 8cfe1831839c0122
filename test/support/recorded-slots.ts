/** What a real `llama-server` (b11549, two slots) says of itself, word for word, but for the settings of sampling that nobody reads. */

export const PROPS = {
  default_generation_settings: {
    params: { seed: 4_294_967_295, temperature: 0.800000011920929, lora: [] },
    n_ctx: 4096,
  },
  total_slots: 2,
  model_alias: "/models/tiny.gguf",
  model_ftype: "(guessed) all F32",
  model_path: "/models/tiny.gguf",
  modalities: { vision: false, video: false, audio: false },
  media_marker: "<__media_13HS9O7yiErbadGj8ygRgvsqkHQH9maj__>",
  endpoint_slots: true,
  endpoint_props: true,
  endpoint_metrics: false,
  chat_template: "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}</s>{% endfor %}",
  bos_token: "<s>",
  eos_token: "</s>",
  build_info: "b0-unknown",
  is_sleeping: false,
};

/** Before the first request of a slot. */
export function freshSlot(id: number): object {
  return { id, n_ctx: 4096, speculative: false, is_processing: false };
}

export function usedSlot(id: number, members: object = {}): object {
  return {
    ...freshSlot(id),
    id_task: 288,
    n_prompt_tokens: 6,
    n_prompt_tokens_processed: 0,
    n_prompt_tokens_cache: 0,
    params: { seed: 4_294_967_295, stream: true, lora: [] },
    next_token: [{ has_next_token: false, has_new_line: false, n_remain: -1, n_decoded: 0 }],
    ...members,
  };
}

export const saved = (slot: number, name: string, tokens = 6): object => ({
  id_slot: slot,
  filename: name,
  n_saved: tokens,
  n_written: 152 + 1040 * tokens,
  timings: { save_ms: 0.196 },
});

export const restored = (slot: number, name: string, tokens = 6): object => ({
  id_slot: slot,
  filename: name,
  n_restored: tokens,
  n_read: 152 + 1040 * tokens,
  timings: { restore_ms: 0.309 },
});

/** Errors, by what brings them about. */
export const REFUSALS = {
  noSavePath: {
    code: 501,
    message: "This server does not support slots action. Start it with `--slot-save-path`",
    type: "not_supported_error",
  },
  noFolder: { code: 500, message: "Unable to save slot", type: "server_error" },
  notFound: { message: "File Not Found", type: "not_found_error", code: 404 },
  noKey: { message: "Invalid API Key", type: "authentication_error", code: 401 },
  loading: { message: "Loading model", type: "unavailable_error", code: 503 },
} as const;
