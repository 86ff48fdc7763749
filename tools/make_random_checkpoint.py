#!/usr/bin/env python3
"""Writes a folder like that of Phi-4-mini-flash-reasoning with random weights: make_random_checkpoint.py FOLDER [--layers N]

The real shapes, names and vocabulary (7.7 GB of bf16), for measuring what needs a file: memory, start, conversion. Speed does not depend on
the values. Needs NumPy; weights are written piece by piece, in about a minute.
"""
import argparse, json, math, os, shutil, sys

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VOCAB, HIDDEN, LAYERS, HEADS, KV_HEADS, MLP, WINDOW = 200064, 2560, 32, 40, 20, 10240, 512
HEAD, INNER, STATE, CONV, RANK = HIDDEN // HEADS, 2 * HIDDEN, 16, 4, HIDDEN // 16
END_OF_TEXT = 199999
PIECE = 1 << 24  # values at a time


def tensors(layers):
    """Names and shapes in the order of the published checkpoint's layers."""
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    memory = layers // 2  # the Mamba layer whose scan the gated memory units read; the one behind it makes the shared keys and values
    for i in range(layers):
        layer = f"model.layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{layer}{norm}.weight", (HIDDEN,)
            yield f"{layer}{norm}.bias", (HIDDEN,)
        yield f"{layer}mlp.fc1.weight", (2 * MLP, HIDDEN)
        yield f"{layer}mlp.fc2.weight", (HIDDEN, MLP)
        mixer = f"{layer}attn."
        if i % 2 == 0 and i > memory:
            yield f"{mixer}in_proj.weight", (INNER, HIDDEN)
            yield f"{mixer}out_proj.weight", (HIDDEN, INNER)
        elif i % 2 == 0:
            yield f"{mixer}in_proj.weight", (2 * INNER, HIDDEN)
            yield f"{mixer}conv1d.weight", (INNER, 1, CONV)
            yield f"{mixer}conv1d.bias", (INNER,)
            yield f"{mixer}x_proj.weight", (RANK + 2 * STATE, INNER)
            yield f"{mixer}dt_proj.weight", (INNER, RANK)
            yield f"{mixer}dt_proj.bias", (INNER,)
            yield f"{mixer}A_log", (INNER, STATE)
            yield f"{mixer}D", (INNER,)
            yield f"{mixer}out_proj.weight", (HIDDEN, INNER)
        else:
            rows = HIDDEN if i > memory + 1 else HIDDEN + 2 * KV_HEADS * HEAD
            yield f"{mixer}Wqkv.weight", (rows, HIDDEN)
            yield f"{mixer}Wqkv.bias", (rows,)
            yield f"{mixer}out_proj.weight", (HIDDEN, HIDDEN)
            yield f"{mixer}out_proj.bias", (HIDDEN,)
            for name in ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"):
                yield f"{mixer}inner_cross_attn.{name}", (HEAD,)
            yield f"{mixer}inner_cross_attn.subln.weight", (2 * HEAD,)
    yield "model.final_layernorm.weight", (HIDDEN,)
    yield "model.final_layernorm.bias", (HIDDEN,)


def write_bf16(file, name, count, rng):
    """Norms 1, state decays of Mamba's start, steps that forget slowly, and else normal values of 0.02."""
    for done in range(0, count, PIECE):
        size = min(PIECE, count - done)
        if name.endswith("norm.weight") or name.endswith(".D") or "subln" in name:
            values = np.ones(size, np.float32)
        elif name.endswith("A_log"):
            values = np.log(np.tile(np.arange(1, STATE + 1, dtype=np.float32), size // STATE))
        elif name.endswith("dt_proj.bias"):
            values = np.full(size, -4.0, np.float32)
        else:
            values = rng.standard_normal(size, np.float32) * np.float32(0.02)
        file.write((values.view(np.uint32) >> 16).astype("<u2").tobytes())


def config(layers):
    return {
        "architectures": ["Phi4FlashForCausalLM"], "model_type": "phi4flash", "hidden_act": "silu", "vocab_size": VOCAB, "hidden_size": HIDDEN,
        "intermediate_size": MLP, "num_hidden_layers": layers, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "sliding_window": WINDOW, "mamba_d_state": STATE, "mamba_d_conv": CONV, "mamba_expand": 2, "mamba_dt_rank": RANK, "mb_per_layer": 2,
        "layer_norm_eps": 1e-5, "max_position_embeddings": 262144, "mamba_conv_bias": True, "mamba_proj_bias": False, "mlp_bias": False,
        "lm_head_bias": False, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "bos_token_id": END_OF_TEXT, "eos_token_id": END_OF_TEXT,
        "pad_token_id": END_OF_TEXT,
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--layers", type=int, default=LAYERS, help="fewer make a smaller file: a multiple of 4")
    options = parser.parse_args()
    if options.layers < 4 or options.layers % 4:
        parser.error(f"--layers is a multiple of 4, not {options.layers}")
    os.makedirs(options.folder, exist_ok=True)
    with open(os.path.join(options.folder, "config.json"), "w") as f:
        json.dump(config(options.layers), f, indent=1)
    shutil.copy(os.path.join(ROOT, "tests", "golden", "tokenizer", "tokenizer.json"), options.folder)
    header, offset = {}, 0
    for name, shape in tensors(options.layers):
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    rng, path = np.random.default_rng(1), os.path.join(options.folder, "model.safetensors")
    with open(path + ".unfinished", "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for name, entry in header.items():
            write_bf16(f, name, math.prod(entry["shape"]), rng)
            print(f"\r{f.tell() / 1e9:.1f} of {offset / 1e9:.1f} GB", end="", file=sys.stderr, flush=True)
    os.replace(path + ".unfinished", path)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
