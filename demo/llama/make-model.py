"""Writes a model of random weights that llama.cpp runs: `make-model.py --out FILE [--seed S] [--layers N] [--width N] [--context N]`.

It says nothing sensible, but it computes as a model of its size does: what it says depends on every token before. A token is a byte, of
which only printable ASCII is ever said, and no end: so what it has said is the same tokens when a client sends it back. The same arguments
give the same bytes.
"""

import argparse

import gguf
import numpy as np

HEAD_WIDTH = 64
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
Kind = gguf.TokenType
TOKENS = (
    [(b"<unk>", Kind.UNKNOWN), (b"<s>", Kind.CONTROL), (b"</s>", Kind.CONTROL)]
    + [(b"<0x%02X>" % byte, Kind.BYTE) for byte in range(256)]
    + [("\u2581".encode(), Kind.NORMAL)]  # what this kind of tokenizer makes of a space
    + [(b"<|%s|>" % role, Kind.CONTROL) for role in (b"system", b"user", b"assistant")]
)
FIRST_BYTE = 3
SPACE = FIRST_BYTE + 256
SAID = [FIRST_BYTE + byte for byte in range(0x21, 0x7F)] + [SPACE]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=128, help="a multiple of %d" % (2 * HEAD_WIDTH))
    parser.add_argument("--context", type=int, default=8192)
    return parser.parse_args()


def describe(writer: gguf.GGUFWriter, options: argparse.Namespace) -> None:
    heads = options.width // HEAD_WIDTH
    writer.add_name("random-%dx%d" % (options.layers, options.width))
    writer.add_context_length(options.context)
    writer.add_block_count(options.layers)
    writer.add_embedding_length(options.width)
    writer.add_feed_forward_length(2 * options.width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads // 2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text for text, _ in TOKENS])
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_token_types([kind for _, kind in TOKENS])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_weights(writer: gguf.GGUFWriter, options: argparse.Namespace) -> None:
    random = np.random.default_rng(options.seed)
    width = options.width
    kv_width = width // 2

    def drawn(rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * scale / np.sqrt(columns)).astype(np.float32)

    def norm() -> np.ndarray:
        return np.ones(width, np.float32)

    says = drawn(len(TOKENS), width, scale=2.0)
    silent = np.ones(len(TOKENS), bool)
    silent[SAID] = False
    says[silent] = 0  # below the best of the others, always

    writer.add_tensor("token_embd.weight", drawn(len(TOKENS), width, scale=np.sqrt(width)))
    writer.add_tensor("output_norm.weight", norm())
    writer.add_tensor("output.weight", says)
    for layer in range(options.layers):
        block = "blk.%d." % layer
        writer.add_tensor(block + "attn_norm.weight", norm())
        writer.add_tensor(block + "attn_q.weight", drawn(width, width))
        writer.add_tensor(block + "attn_k.weight", drawn(kv_width, width))
        writer.add_tensor(block + "attn_v.weight", drawn(kv_width, width))
        writer.add_tensor(block + "attn_output.weight", drawn(width, width))
        writer.add_tensor(block + "ffn_norm.weight", norm())
        writer.add_tensor(block + "ffn_gate.weight", drawn(2 * width, width))
        writer.add_tensor(block + "ffn_up.weight", drawn(2 * width, width))
        writer.add_tensor(block + "ffn_down.weight", drawn(width, 2 * width))


def main() -> None:
    options = parse_arguments()
    writer = gguf.GGUFWriter(options.out, "llama")
    describe(writer, options)
    add_weights(writer, options)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
