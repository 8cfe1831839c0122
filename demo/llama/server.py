"""What `llama-server -m FILE --port N --slot-save-path DIR --slots -np N -c N -t N --cache-ram 0 --no-kv-unified -fa off` is.

Prints `listening on PORT` when it answers; port 0 takes a free one.
"""

import argparse
import signal
import urllib.parse

import xllamacpp


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--slot-save-path", help="without it, slots can be neither saved nor restored")
    parser.add_argument("--parallel", type=int, default=2, help="how many slots there are")
    parser.add_argument("--ctx-size", type=int, default=8192, help="tokens of all slots together")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache-type-k", default="f16")
    parser.add_argument("--cache-reuse", type=int, default=0, help="least tokens of a piece of KV that is moved")
    parser.add_argument("--model-draft", help="that guesses tokens ahead")
    return parser.parse_args()


def server_parameters(options: argparse.Namespace) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = options.port
    if options.slot_save_path is not None:
        parameters.slot_save_path = options.slot_save_path.rstrip("/") + "/"
    parameters.endpoint_slots = True
    parameters.endpoint_props = True
    parameters.n_parallel = options.parallel
    parameters.n_ctx = options.ctx_size
    parameters.cpuparams.n_threads = options.threads
    parameters.cpuparams_batch.n_threads = options.threads
    parameters.cache_type_k = getattr(xllamacpp.ggml_type, "GGML_TYPE_" + options.cache_type_k.upper())
    parameters.n_cache_reuse = options.cache_reuse
    if options.model_draft is not None:
        parameters.speculative.draft.mparams.path = options.model_draft
        parameters.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    parameters.warmup = False
    # A slot keeps what is in it until it is used again: neither copied to memory nor cleared while it is idle.
    parameters.cache_ram_mib = 0
    parameters.kv_unified = False
    # On a CPU it adds up in 16 bits, in an order that depends on how many tokens are computed at once: then answers differ too often
    # from those of a server that has computed all in one go.
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return parameters


def main() -> None:
    server = xllamacpp.Server(server_parameters(parse_arguments()))
    port = urllib.parse.urlsplit(server.listening_address).port
    print("listening on %d" % port, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
