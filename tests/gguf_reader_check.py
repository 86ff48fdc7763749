#!/usr/bin/env python3
"""Opens a GGUF that `sambay convert` wrote in PyPI's `gguf` reader and compares every tensor with the folder it came from.

Usage: gguf_reader_check.py FILE.gguf MODEL_FOLDER [...more pairs]. Needs PyPI's gguf and numpy. Also reads back what bench/peers/make_random_gguf.py writes.
"""
import glob, json, os, struct, sys, tempfile
import numpy as np
from gguf import GGML_QUANT_SIZES, GGUFReader, GGMLQuantizationType
from gguf.quants import dequantize

TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I32": np.int32}
# Levels from one end to the other; a value's error is at most two steps of the range of its block.
STEPS = {"Q8_0": 254, "Q4_0": 15, "Q4_1": 15, "Q5_0": 31, "Q5_1": 31, "Q2_K": 3, "Q3_K": 7, "Q4_K": 15, "Q5_K": 31, "Q6_K": 63,
         "IQ4_NL": 10}
# Our names by Hugging Face name, written down here a second time on purpose: docs/file-format.md promises them.
LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down",
    "attn.conv1d": "ssm_conv1d", "attn.x_proj": "ssm_x", "attn.dt_proj": "ssm_dt", "attn.A_log": "ssm_a", "attn.D": "ssm_d",
    "attn.inner_cross_attn.subln": "attn_sub_norm",
    **{f"attn.inner_cross_attn.lambda_{x}": f"attn_lambda_{x}" for x in ("q1", "k1", "q2", "k2")},
}


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + begin:8 + length + end], TYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        yield name, values.astype(np.float32).reshape(entry["shape"])


def our_name(name, layers):
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name.startswith("model.final_layernorm"):
        return name.replace("model.final_layernorm", "output_norm")
    _, _, index, rest = name.split(".", 3)
    index = int(index)
    stem, dot, suffix = rest.rpartition(".") if rest.endswith((".weight", ".bias")) else (rest, "", "")
    recurrent, cross = index % 2 == 0, index >= layers // 2 + 2
    if stem == "attn.in_proj":
        ours = "gmu_in" if cross else "ssm_in"
    elif stem == "attn.out_proj":
        ours = ("gmu_out" if cross else "ssm_out") if recurrent else "attn_output"
    elif stem == "attn.Wqkv":
        ours = "attn_q" if cross else "attn_qkv"
    else:
        ours = LAYER[stem]
    return f"blk.{index}.{ours}{dot}{suffix}"


def values_of(tensor):
    """As float32, in Hugging Face's order of dimensions."""
    shape = [int(d) for d in reversed(tensor.shape)]
    if tensor.tensor_type == GGMLQuantizationType.BF16:
        raw = np.asarray(tensor.data).view(np.uint16)
        return (raw.astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if tensor.tensor_type.name in STEPS:
        return dequantize(tensor.data, tensor.tensor_type).reshape(shape)
    return np.asarray(tensor.data, dtype=np.float32).reshape(shape)


def tolerance(kind, expected):
    """Half a step of the type, elementwise; two where a block's squared error is what was minimized."""
    size = np.abs(expected)
    if kind == GGMLQuantizationType.F16:
        return size * 2.0**-11 + 2.0**-25
    if kind == GGMLQuantizationType.BF16:
        return size * 2.0**-8
    if kind == GGMLQuantizationType.Q8_0:
        # Half a level; and 127 levels of a scale that is rounded to f16, whose smallest step is 2^-24.
        blocks = size.reshape(-1, 32).max(axis=1, keepdims=True) / 127 * (0.5 + 127 * 2.0**-11) * 1.0001 + 127 * 2.0**-25
        return np.broadcast_to(blocks, (blocks.size, 32)).reshape(size.shape)
    if kind.name in STEPS:
        elems = GGML_QUANT_SIZES[kind][0]
        blocks = size.reshape(-1, elems).max(axis=1, keepdims=True) * 4 / STEPS[kind.name]
        return np.broadcast_to(blocks, (blocks.size, elems)).reshape(size.shape)
    return np.zeros_like(size)


def compare(path, folder):
    reader = GGUFReader(path)
    with open(os.path.join(folder, "config.json")) as f:
        layers = json.load(f)["num_hidden_layers"]
    assert bytes(reader.fields["general.architecture"].parts[-1]).decode() == "phi4flash"
    assert int(reader.fields["phi4flash.block_count"].parts[-1][0]) == layers
    tensors = {t.name: t for t in reader.tensors}
    seen, kinds = set(), set()
    for shard in sorted(glob.glob(os.path.join(folder, "*.safetensors"))):
        if os.path.basename(shard).startswith("expected"):
            continue
        for name, expected in read_safetensors(shard):
            ours = our_name(name, layers)
            tensor = tensors[ours]
            if name.endswith("A_log"):
                expected = -np.exp(expected.astype(np.float64))
                error_bound = np.abs(expected) * 2.0**-22  # two float roundings of exp
            else:
                expected = expected.squeeze(1) if expected.ndim == 3 else expected
                error_bound = tolerance(tensor.tensor_type, expected)
            got = values_of(tensor)
            assert got.shape == expected.shape, (ours, got.shape, expected.shape)
            assert (np.abs(got - expected) <= error_bound).all(), (ours, np.abs(got - expected).max())
            if expected.ndim == 1:
                assert tensor.tensor_type == GGMLQuantizationType.F32, ours
            kinds.add(tensor.tensor_type.name)
            seen.add(ours)
    assert seen == set(tensors), seen ^ set(tensors)
    if os.path.exists(os.path.join(folder, "tokenizer.json")):
        assert "tokenizer.ggml.tokens" in reader.fields and "tokenizer.chat_template" in reader.fields
    print(f"ok       {os.path.basename(path)}: {len(seen)} tensors, types {', '.join(sorted(kinds))}")


def random_files_hold_weights_of_sane_scale():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench", "peers"))
    import make_random_gguf as maker

    maker.HIDDEN, maker.LAYERS, maker.HEADS, maker.KV_HEADS, maker.FFN, maker.VOCAB, maker.PIECE = 512, 8, 4, 2, 768, 640, 100
    for type_, types in (("q4_0", {"F32", "Q4_0", "Q6_K"}), ("q8_0", {"F32", "Q8_0"}), ("q4_k_m", {"F32", "Q4_K", "Q5_K", "Q6_K"})):
        for for_ik in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "random.gguf")
                maker.write(path, type_, for_ik)
                tensors = {t.name: t for t in GGUFReader(path).tensors}
                assert {t.tensor_type.name for t in tensors.values()} == types, type_
                assert ("output.weight" in tensors) == for_ik and len(tensors) == 4 + for_ik + 6 * maker.LAYERS
                for name, tensor in tensors.items():
                    values = values_of(tensor)
                    if values.ndim == 1:
                        assert (values == 1).all(), name
                        continue
                    # Flat between two ends, with a mean of at most half a step of sixteen and scales that differ by a fifth or, in k-quants, by half.
                    assert 0.9 < values.std() / maker.SIGMA < 1.1 and abs(values.mean()) < 0.15 * maker.SIGMA, (name, values.std(), values.mean())
                    assert np.abs(values).max() < 4 * maker.SIGMA, name
    print("ok       make_random_gguf.py")


if __name__ == "__main__":
    pairs = sys.argv[1:]
    if not pairs or len(pairs) % 2:
        sys.exit(__doc__)
    for i in range(0, len(pairs), 2):
        compare(pairs[i], pairs[i + 1])
    random_files_hold_weights_of_sane_scale()
    print(f"{len(pairs) // 2 + 1} passed, 0 failed")
