#!/usr/bin/env python3
"""Writes tests/tensor/blocks.gguf: blocks of every quantized type with what they decode to, and how well others encode.

Usage: make_block_fixtures.py OUT.gguf [GGML_QUANTS.so]. Needs PyPI's gguf (0.19.0 made the committed file) and numpy.

  blocks.TYPE, values.TYPE  random blocks, and gguf.quants.dequantize of them as f32
  input                     f32 rows of several distributions
  error.TYPE (a key)        the sum of squared errors of `input` after the reference's quantization: gguf.quants.quantize where the
                            package has the type; for the others ggml's own C functions quantize_q4_K and so on without importance
                            (ggml at commit d99724f2, ggml-quants.c built by itself as a shared library), if that library is given
  error.TYPE.weighted       the same with `importance` (f32, one a column) as weights of the squared errors, by the C functions
"""
import ctypes, sys
import numpy as np
from gguf import GGUFWriter, GGMLQuantizationType, GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"]
# Where the f16 numbers of a block are; everything else may be any bits.
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0]}


def random_blocks(name, random, rows, cols):
    elems, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = random.integers(0, 256, (rows * cols // elems, size), dtype=np.uint8)
    for at in HALVES[name]:
        scales = random.normal(0, 0.01, len(blocks)).astype(np.float16)
        scales[0] = np.float16(6e-8)  # subnormal
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, -1)


def inputs(random):
    cols = 512
    rows = [random.normal(0, 0.02, (6, cols)), random.uniform(-0.05, 0.05, (2, cols)), random.laplace(0, 0.02, (3, cols)),
            random.standard_t(4, (3, cols)) * 0.02, random.normal(0.03, 0.02, (2, cols))]
    return np.concatenate(rows).astype(np.float32)


def squared_error(x, blocks, kind, weights=1.0):
    return float((weights * (dequantize(blocks, kind).reshape(x.shape).astype(np.float64) - x) ** 2).sum())


def encode_with_library(library, name, x, importance=None):
    elems, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    function = getattr(library, "quantize_" + name.lower().replace("_k", "_K"))
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    function.restype = ctypes.c_size_t
    out = np.empty((x.shape[0], x.shape[1] // elems * size), np.uint8)
    function(x.ctypes.data, out.ctypes.data, *x.shape, None if importance is None else importance.ctypes.data)
    return out


def main(path, library_path=None):
    library = ctypes.CDLL(library_path) if library_path else None
    random = np.random.default_rng(20261123)
    writer = GGUFWriter(path, "blocks")
    for name in TYPES:
        kind = GGMLQuantizationType[name]
        blocks = random_blocks(name, random, 2, 512)
        writer.add_tensor("blocks." + name.lower(), blocks, raw_dtype=kind)
        writer.add_tensor("values." + name.lower(), dequantize(blocks, kind).astype(np.float32))
    x = inputs(random)
    importance = random.gamma(0.7, 1.0, x.shape[1]).astype(np.float32)
    writer.add_tensor("input", x)
    writer.add_tensor("importance", importance)
    for name in TYPES:
        kind = GGMLQuantizationType[name]
        try:
            writer.add_float64("error." + name.lower(), squared_error(x, quantize(x, kind), kind))
        except NotImplementedError:
            if library:
                writer.add_float64("error." + name.lower(), squared_error(x, encode_with_library(library, name, x), kind))
        if library and name != "Q8_0":
            weighted = squared_error(x, encode_with_library(library, name, x, importance), kind, importance.astype(np.float64))
            writer.add_float64(f"error.{name.lower()}.weighted", weighted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
