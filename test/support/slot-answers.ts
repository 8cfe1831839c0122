/** What a real `llama-server` (b11549) answers, word for word, but for settings of sampling that nobody reads. */

const timings = (cached: number, computed: number, generated: number) =>
  `"timings":{"cache_n":${cached},"prompt_n":${computed},"prompt_ms":3.764,"prompt_per_token_ms":3.764,"prompt_per_second":265.6748140276302,"predicted_n":${generated},"predicted_ms":2.034,"predicted_per_token_ms":2.034,"predicted_per_second":491.6420845624386}`;

const usage = `"usage":{"completion_tokens":2,"prompt_tokens":6,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":5}}`;
const last = `"id_slot":0,"stop":true,"model":"/models/tiny.gguf","tokens_predicted":2,"tokens_evaluated":6,"generation_settings":{"seed":4294967295,"temperature":0.0,"dry_sequence_breakers":["\\n",":","\\"","*"],"stop":[],"stream":true,"timings_per_token":false,"lora":[]},"prompt":"<s>hello","has_new_line":false,"truncated":false,"stop_type":"limit","stopping_word":"","tokens_cached":7,${timings(5, 1, 2)}`;
const chunk = `"created":1795305189,"id":"chatcmpl-vIOLDx","model":"/models/tiny.gguf","system_fingerprint":"b0-unknown","object":"chat.completion.chunk"`;
const textChunk = `"created":1795305189,"model":"/models/tiny.gguf","system_fingerprint":"b0-unknown","object":"text_completion"`;

function stream(...events: readonly string[]): string {
  return events.map((event) => `data: ${event}\n\n`).join("");
}

/** Each tells that 5 of 6 tokens were reused and 2 generated. */
export const WHOLE = {
  completion: `{"index":0,"content":"w\\u0017","tokens":[],${last}}`,
  completionEvents: stream(
    `{"index":0,"content":"w","tokens":[122],"stop":false,"id_slot":-1,"tokens_predicted":1,"tokens_evaluated":6}`,
    `{"index":0,"content":"\\u0017","tokens":[26],"stop":false,"id_slot":-1,"tokens_predicted":2,"tokens_evaluated":6}`,
    `{"index":0,"content":"","tokens":[],${last}}`,
  ),
  timedCompletionEvents: stream(
    `{"index":0,"content":"","tokens":[0],"stop":false,"id_slot":-1,"tokens_predicted":0,"tokens_evaluated":6,${timings(5, 0, 0)},"prompt_progress":{"total":6,"cache":5,"processed":5,"time_ms":0}}`,
    `{"index":0,"content":"w","tokens":[122],"stop":false,"id_slot":-1,"tokens_predicted":1,"tokens_evaluated":6,${timings(5, 1, 1)}}`,
    `{"index":0,"content":"","tokens":[],${last}}`,
  ),
  text: `{"choices":[{"text":"w\\u0017","index":0,"logprobs":null,"finish_reason":"length"}],"created":1795305189,"model":"/models/tiny.gguf","system_fingerprint":"b0-unknown","object":"text_completion",${usage},"id":"chatcmpl-rXhRzv",${timings(5, 1, 2)}}`,
  textEvents: stream(
    `{"choices":[{"text":"w","index":0,"logprobs":null,"finish_reason":null}],${textChunk},"id":"chatcmpl-yGCA"}`,
    `{"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length"}],${textChunk},${usage},"id":"chatcmpl-yGCA",${timings(5, 1, 2)}}`,
    "[DONE]",
  ),
  chat: `{"choices":[{"finish_reason":"length","index":0,"message":{"role":"assistant","content":"\ufffd$"}}],"created":1795305189,"model":"/models/tiny.gguf","system_fingerprint":"b0-unknown","object":"chat.completion",${usage},"id":"chatcmpl-OhsE8D",${timings(5, 1, 2)}}`,
  chatEvents: stream(
    `{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"\ufffd$"}}],${chunk}}`,
    `{"choices":[{"finish_reason":"length","index":0,"delta":{}}],${chunk},${timings(5, 1, 2)}}`,
    "[DONE]",
  ),
  chatUsageEvents: stream(
    `{"choices":[{"finish_reason":"length","index":0,"delta":{}}],${chunk}}`,
    `{"choices":[],${chunk},${usage},${timings(5, 1, 2)}}`,
    "[DONE]",
  ),
} as const;

export type WholeAnswer = keyof typeof WHOLE;
