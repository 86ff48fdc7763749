#!/usr/bin/env python3
"""The golden model e_blocks: rows of 256, 512 and 768 values, so that super-blocks of 256 are used throughout. Its weights are made, not stored.

Usage: blocks_model.py expected   writes e_blocks/expected.safetensors and info.json
       blocks_model.py FOLDER     writes the model in the Hugging Face layout
Needs numpy. tests/support/blocks_model.h makes the same weights; `checksums` in expected.safetensors is what both must agree on.
"""
import json, os, shutil, sys
import numpy as np
from sambay_numpy import SambaY, write_safetensors

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "e_blocks")
MASK = 2**64 - 1

# End of a name: mean and standard deviation; with True that over the square root of the columns. Chosen like those of d_calm_bf16: what a
# mixer or MLP adds to the stream is small beside it, so that rounding errors do not grow from layer to layer.
STATISTICS = [
    ("embed_tokens.weight", 0, 1.36, True), ("layernorm.weight", 1, 0.2, False), ("layernorm.bias", 0, 0.1, False),
    ("attn.in_proj.weight", 0, 1.3, True), ("attn.conv1d.weight", 0, 0.48, False), ("attn.conv1d.bias", 0, 0.2, False),
    ("attn.x_proj.weight", 0, 0.96, True), ("attn.dt_proj.weight", 0, 0.7, True), ("attn.dt_proj.bias", -2.6, 1.15, False),
    ("attn.A_log", 1.9, 0.75, False), ("attn.D", 1, 0.3, False), ("attn.Wqkv.weight", 0, 0.9, True), ("attn.Wqkv.bias", 0, 0.15, False),
    ("attn.inner_cross_attn.subln.weight", 1, 0.17, False), ("attn.out_proj.weight", 0, 0.19, True), ("attn.out_proj.bias", 0, 0.1, False),
    ("mlp.fc1.weight", 0, 1.2, True), ("mlp.fc2.weight", 0, 0.16, True),
    *((f"attn.inner_cross_attn.lambda_{x}", 0, 0.11, False) for x in ("q1", "k1", "q2", "k2")),
]


def shapes(c):
    """Every tensor of the published layout, in the order of the file."""
    d, layers, vocab, wide = c["hidden_size"], c["num_hidden_layers"], c["vocab_size"], c["intermediate_size"]
    inner, states, taps, rank = d * c["mamba_expand"], c["mamba_d_state"], c["mamba_d_conv"], -(-d // 16)
    head = d // c["num_attention_heads"]
    kv = 2 * head * c["num_key_value_heads"]
    yield "model.embed_tokens.weight", (vocab, d)
    for i in range(layers):
        p = f"model.layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield p + norm + ".weight", (d,)
            yield p + norm + ".bias", (d,)
        yield p + "mlp.fc1.weight", (2 * wide, d)
        yield p + "mlp.fc2.weight", (d, wide)
        p += "attn."
        if i % 2 == 0 and i <= layers // 2:
            yield p + "in_proj.weight", (2 * inner, d)
            yield p + "conv1d.weight", (inner, 1, taps)
            yield p + "conv1d.bias", (inner,)
            yield p + "x_proj.weight", (rank + 2 * states, inner)
            yield p + "dt_proj.weight", (inner, rank)
            yield p + "dt_proj.bias", (inner,)
            yield p + "A_log", (inner, states)
            yield p + "D", (inner,)
            yield p + "out_proj.weight", (d, inner)
        elif i % 2 == 0:
            yield p + "in_proj.weight", (inner, d)
            yield p + "out_proj.weight", (d, inner)
        else:
            rows = d if i > layers // 2 + 1 else d + kv
            yield p + "Wqkv.weight", (rows, d)
            yield p + "Wqkv.bias", (rows,)
            yield p + "out_proj.weight", (d, d)
            yield p + "out_proj.bias", (d,)
            for x in ("q1", "k1", "q2", "k2"):
                yield p + f"inner_cross_attn.lambda_{x}", (head,)
            yield p + "inner_cross_attn.subln.weight", (2 * head,)
    yield "model.final_layernorm.weight", (d,)
    yield "model.final_layernorm.bias", (d,)


def random_bits(counter):
    """SplitMix64 (Steele, Lea, Flood 2014) of an array of counters."""
    z = counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def seed_of(name):
    """FNV-1a, 64 bits."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h


def bf16_bits(name, shape):
    """Four uniform numbers of 16 bits make one that is nearly normal; every step is exact or correctly rounded, so that all machines agree."""
    ends = [s for s in STATISTICS if name.endswith(s[0])]
    assert len(ends) == 1, name
    _, mean, deviation, by_columns = ends[0]
    bits = random_bits(np.uint64(seed_of(name)) + np.arange(int(np.prod(shape)), dtype=np.uint64))
    total = sum((bits >> np.uint64(16 * k) & np.uint64(0xFFFF)).astype(np.int64) for k in range(4)) - 2 * 0xFFFF
    scale = deviation / np.sqrt(np.float64(shape[-1])) if by_columns else np.float64(deviation)
    values = (mean + total / 65536 * 1.7320508075688772 * scale).astype(np.float32)
    as_bits = values.view(np.uint32)
    return ((as_bits + np.uint32(0x7FFF) + (as_bits >> np.uint32(16) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16).reshape(shape)


def load_config():
    with open(os.path.join(HERE, "config.json")) as f:
        return json.load(f)


def all_bits():
    return {name: bf16_bits(name, shape) for name, shape in shapes(load_config())}


def as_floats(bits):
    return {name: (b.astype(np.uint32) << 16).view(np.float32) for name, b in bits.items()}


def write_model(folder):
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(HERE, "config.json"), folder)
    write_safetensors(os.path.join(folder, "model.safetensors"), {name: ("BF16", bits) for name, bits in all_bits().items()})


def sensitivity(config, weights, ids, logits):
    """What errors do to this model, as RMS errors of the logits: of a relative error of all matrices, per error, and of rounding the inputs of
    their products to 8 bits. All but dt_proj, whose rows are too short for blocks."""
    matrices = [name for name, w in weights.items() if w.ndim == 2 and not name.endswith(("A_log", "dt_proj.weight"))]
    random, relative = np.random.default_rng(1), 0.01
    disturbed = dict(weights)
    for name in matrices:
        w = weights[name].astype(np.float64)
        disturbed[name] = w + relative * w.std() * random.standard_normal(w.shape)
    def distance(model):
        return np.sqrt(((model.logits(ids) - logits) ** 2).mean())
    return distance(SambaY(config, disturbed)) / relative, distance(SambaY(config, weights, matrices))


def write_expected():
    config, bits = load_config(), all_bits()
    weights = as_floats(bits)
    exact, single = SambaY(config, weights), SambaY(config, weights, dtype=np.float32)
    random = np.random.default_rng(20261127)
    arrays, info = {}, {"params": sum(b.size for b in bits.values()), "fp32_max_abs_err": 0.0}
    for p, tokens in enumerate((96, 7)):
        ids = random.integers(0, config["vocab_size"], tokens, dtype=np.int32)
        logits = exact.logits(ids)
        info["logit_std"] = float(logits.std())
        info["fp32_max_abs_err"] = max(info["fp32_max_abs_err"], float(np.abs(single.logits(ids) - logits).max()))
        greedy, rows = list(ids), []
        for _ in range(8):
            rows.append(exact.logits(np.array(greedy))[-1])
            greedy.append(int(rows[-1].argmax()))
            best = np.sort(rows[-1])[-2:]
            info["min_greedy_margin"] = min(info.get("min_greedy_margin", np.inf), float(best[1] - best[0]))
        arrays[f"p{p}.input_ids"] = ("I32", ids)
        arrays[f"p{p}.logits"] = ("F32", logits.astype(np.float32))
        arrays[f"p{p}.greedy_ids"] = ("I32", np.array(greedy[tokens:], np.int32))
        arrays[f"p{p}.greedy_logits"] = ("F32", np.array(rows, np.float32))
        if p == 0:
            per_error, rounding = sensitivity(config, weights, ids, logits)
            arrays |= {"error_per_weight_error": ("F32", np.array([per_error], np.float32)), "error_of_rounding": ("F32", np.array([rounding], np.float32))}
            info |= {"error_per_weight_error": float(per_error), "error_of_rounding": float(rounding)}
    for name, b in bits.items():
        total = int(((np.arange(b.size, dtype=np.uint64) % np.uint64(65521) + np.uint64(1)) * b.ravel()).sum() % 2**31)
        arrays["checksum." + name] = ("I32", np.array([total], np.int32))
    write_safetensors(os.path.join(HERE, "expected.safetensors"), arrays)
    with open(os.path.join(HERE, "info.json"), "w") as f:
        json.dump(info, f, indent=1)
        f.write("\n")
    print(info)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with np.errstate(over="ignore"):
        write_expected() if sys.argv[1] == "expected" else write_model(sys.argv[1])
