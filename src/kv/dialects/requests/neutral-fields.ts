/**
 * Top-level fields of requests that leave the prompt alone: they decide what is sampled, reported, logged or scheduled, or the engine
 * does not read them at all. Taken from SGLang's GenerateReqInput and ChatCompletionRequest, and from what OpenAI's clients send.
 *
 * Not among them, so that a request with one of them has no turn: whatever belongs to media, to adapters or to reasoning (it reaches
 * the template), and the `bootstrap_...` fields, by which KV comes from elsewhere.
 */

export const GENERATE_NEUTRAL = words(`
  stream rid priority background require_reasoning max_thinking_tokens custom_logit_processor
  return_logprob logprob_start_len top_logprobs_num token_ids_logprob return_text_in_logprobs
  return_flat_raw_top_logprobs return_flat_raw_top_logprobs_b64 return_sampling_mask
  return_hidden_states return_routed_experts routed_experts_start_len return_indexer_topk
  return_bytes return_entropy return_prompt_token_ids
  routing_key routed_dp_rank data_parallel_rank conversation_id
  log_metrics no_logs custom_labels external_trace_header received_time
  user metadata prompt_cache_key
`);

export const CHAT_NEUTRAL = words(`
  rid priority
  user metadata store service_tier safety_identifier prompt_cache_key prompt_cache_retention
  temperature top_p top_k min_p frequency_penalty presence_penalty repetition_penalty
  logit_bias seed stop stop_token_ids stop_regex no_stop_trim ignore_eos min_tokens
  regex ebnf response_format parallel_tool_calls custom_logit_processor custom_params
  logprobs top_logprobs skip_special_tokens separate_reasoning stream_reasoning
  return_hidden_states return_routed_experts routed_experts_start_len
  return_cached_tokens_details return_prompt_token_ids return_token_ids return_meta_info
  routed_dp_rank disagg_prefill_dp_rank data_parallel_rank
`);

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
