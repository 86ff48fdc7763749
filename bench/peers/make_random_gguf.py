#!/usr/bin/env python3
"""Writes a GGUF with the shapes of Phi-4-mini and random weights, for measuring programs of llama.cpp and ik_llama.cpp.

Speed does not depend on the values, so nothing needs to be downloaded or quantized. Needs NumPy and the package gguf (PyPI).
Weights are written piece by piece; memory stays below 200 MB.
"""
import argparse, sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD, FFN, VOCAB = 3072, 32, 24, 8, 128, 8192, 200064
CONTEXT, TRAINED_CONTEXT, ROTARY = 131072, 4096, 96
SIGMA = 0.02  # of the weights
PIECE = 1 << 16  # blocks at a time

rng = np.random.default_rng(1)


# ---- blocks as ggml lays them out, with values of mean about 0 and standard deviation about SIGMA ------------------------


def raw(blocks, size):
    return rng.integers(0, 256, (blocks, size), dtype=np.uint8)


def halves(blocks, mean):
    """Scales that differ a little from block to block, as little-endian f16."""
    return rng.uniform(0.8 * mean, 1.2 * mean, (blocks, 1)).astype("<f2").view(np.uint8)


def q4_0(blocks):
    return np.hstack([halves(blocks, SIGMA / 4.6), raw(blocks, 16)])


def q8_0(blocks):
    return np.hstack([halves(blocks, SIGMA / 74), raw(blocks, 32)])


def scales_and_minima(blocks):
    """12 bytes with eight 6-bit scales of 32 to 63 and eight minima that equal them."""
    s = rng.integers(32, 64, (blocks, 8), dtype=np.uint8)
    low, high = s[:, :4], s[:, 4:]
    first = low | (high >> 4) << 6
    return np.hstack([first, first, (high & 15) | (high & 15) << 4])


def with_minima(blocks, levels, size):
    """Q4_K and Q5_K: d * scale * q - dmin * minimum, the mean of q being (levels - 1) / 2."""
    d = halves(blocks, SIGMA / (0.289 * levels * 47))
    dmin = (d.view("<f2") * np.float16((levels - 1) / 2)).view(np.uint8)
    return np.hstack([d, dmin, scales_and_minima(blocks), raw(blocks, size)])


def q6_k(blocks):
    scales = rng.integers(32, 128, (blocks, 16), dtype=np.uint8)
    return np.hstack([raw(blocks, 192), scales, halves(blocks, SIGMA / (18.5 * 80))])


BLOCKS = {Type.Q4_0: q4_0, Type.Q8_0: q8_0, Type.Q4_K: lambda n: with_minima(n, 16, 128), Type.Q5_K: lambda n: with_minima(n, 32, 160), Type.Q6_K: q6_k}


def pieces(type_, shape):
    """A tensor's bytes, some megabytes at a time."""
    if type_ == Type.F32:  # norms, and factors of the rotary frequencies
        yield np.ones(shape, "<f4")
        return
    left = int(np.prod(shape)) // gguf.GGML_QUANT_SIZES[type_][0]
    while left:
        count = min(left, PIECE)
        yield BLOCKS[type_](count)
        left -= count


# ---- the model --------------------------------------------------------------------------------------------------------


def mix(name):
    """Type of (attn_qkv, attn_output, ffn_up, ffn_down, embedding and head) in a layer, as llama-quantize chooses it for phi3."""
    if name == "q4_k_m":
        more_bits = lambda i: i < LAYERS // 8 or i >= 7 * LAYERS // 8 or (i - LAYERS // 8) % 3 == 2
        return lambda i: (Type.Q5_K, Type.Q4_K, Type.Q4_K, Type.Q6_K if more_bits(i) else Type.Q4_K, Type.Q6_K)
    plain = {"q4_0": Type.Q4_0, "q8_0": Type.Q8_0}[name]
    return lambda i: (plain, plain, plain, plain, Type.Q8_0 if name == "q8_0" else Type.Q6_K)


def tensors(type_name, for_ik):
    """(name, type, shape with the rows first)"""
    types = mix(type_name)
    yield "token_embd.weight", types(0)[4], (VOCAB, HIDDEN)
    if for_ik:
        yield "output.weight", types(0)[4], (VOCAB, HIDDEN)
    yield "output_norm.weight", Type.F32, (HIDDEN,)
    rotary = HEAD if for_ik else ROTARY
    yield "rope_factors_long.weight", Type.F32, (rotary // 2,)
    yield "rope_factors_short.weight", Type.F32, (rotary // 2,)
    for i in range(LAYERS):
        qkv, out, up, down, _ = types(i)
        yield f"blk.{i}.attn_norm.weight", Type.F32, (HIDDEN,)
        yield f"blk.{i}.attn_qkv.weight", qkv, ((HEADS + 2 * KV_HEADS) * HEAD, HIDDEN)
        yield f"blk.{i}.attn_output.weight", out, (HIDDEN, HEADS * HEAD)
        yield f"blk.{i}.ffn_norm.weight", Type.F32, (HIDDEN,)
        yield f"blk.{i}.ffn_up.weight", up, (2 * FFN, HIDDEN)
        yield f"blk.{i}.ffn_down.weight", down, (HIDDEN, FFN)


def metadata(writer, for_ik):
    writer.add_name("Phi-4-mini shapes, random weights")
    writer.add_context_length(CONTEXT)
    writer.add_rope_scaling_orig_ctx_len(TRAINED_CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD if for_ik else ROTARY)
    writer.add_rope_freq_base(10000.0)
    writer.add_sliding_window(0)
    writer.add_tokenizer_model("none")  # the programs draw token ids at random and need no text
    writer.add_vocab_size(VOCAB)


def write(path, type_name, for_ik):
    writer = gguf.GGUFWriter(path, "phi3")
    metadata(writer, for_ik)
    todo = list(tensors(type_name, for_ik))
    for name, type_, shape in todo:
        block, size = gguf.GGML_QUANT_SIZES[type_]
        bytes_ = int(np.prod(shape)) // block * size
        if type_ == Type.F32:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), bytes_)
        else:
            writer.add_tensor_info(name, (*shape[:-1], shape[-1] // block * size), np.dtype(np.uint8), bytes_, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    out = writer.fout[0]
    writer.write_padding(out, out.tell())
    for _, type_, shape in todo:
        start = out.tell()
        for piece in pieces(type_, shape):
            out.write(piece.tobytes())
        writer.write_padding(out, out.tell() - start)
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    parser.add_argument("--type", choices=["q4_0", "q4_k_m", "q8_0"], default="q4_0", help="head and embedding in Q6_K, or Q8_0 (q4_0)")
    parser.add_argument("--ik", action="store_true", help="for ik_llama.cpp, whose loader wants a head of its own and full rotary for this architecture")
    o = parser.parse_args()
    write(o.output, o.type, o.ik)
    return 0


if __name__ == "__main__":
    sys.exit(main())
