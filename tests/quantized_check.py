#!/usr/bin/env python3
"""Quantized models through the program, against float64 evaluations of the weights that PyPI's `gguf` package decodes from the same files.

Usage: quantized_check.py SAMBAY FOLDER [TYPE...]. FOLDER is for the files. Needs PyPI's gguf and numpy.

The NumPy evaluation (golden/sambay_numpy.py) is first held against every golden folder. Then, for each type, the golden model e_blocks is
converted by the program, its logits are computed on the best instruction set and on the scalar kernels, and compared:

  effect  how far rounding the inputs of products to 8 bits moves the logits, in NumPy alone (RMS)
  error   how far the program is from NumPy without that rounding: the effect, and nothing else. Both are RMS over 49,152 logits of 96 tokens
          with errors that differ from token to token, so a tenth more or less is allowed.
  apart   how far the program is from NumPy with that rounding: less than the effect. It is not zero: float32 and float64 differ by a
          ten-thousandth of a level, enough for a few of a layer's values to fall on the other side of a tie, and those move values of the
          next layer. Were the roundings unrelated, as with another grid, it would be 1.4 effects.
"""
import glob, json, os, subprocess, sys
import numpy as np
from gguf import GGUFReader
from gguf_reader_check import our_name, values_of

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))
import blocks_model
from sambay_numpy import SambaY, read_safetensors

GOLDEN = os.path.dirname(blocks_model.HERE)
TYPES = ["q4_0", "q4_k_m", "q4_k_s", "q5_k_m", "q6_k", "q8_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_m", "iq4_nl"]
IN_PANELS = {"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0"}  # whose products round their inputs
FLOAT32 = 1e-5  # RMS error of a float32 evaluation of this model, rounded up: info.json has 1.3e-5 as the largest


def rms(x):
    return float(np.sqrt((x**2).mean()))


def reference_agrees_with(folder):
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    weights = {}
    for path in glob.glob(os.path.join(folder, "model*.safetensors")):
        weights |= read_safetensors(path)
    expected = read_safetensors(os.path.join(folder, "expected.safetensors"))
    model = SambaY(config, weights)
    prompts = [name for name in expected if name.endswith(".input_ids")]
    for name in prompts:
        logits = expected[name.replace("input_ids", "logits")]
        error = np.abs(model.logits(expected[name]) - logits).max()
        assert error <= np.abs(logits).max() * 2.0**-23, (folder, name, error)  # rounded once to float32
    print(f"ok       {os.path.basename(folder)}: NumPy has all {len(prompts)} golden prompts", flush=True)


def decoded(path, config):
    """Weights by Hugging Face name, and the names of those whose products round."""
    tensors = {t.name: t for t in GGUFReader(path).tensors}
    weights, rounded, types = {}, set(), set()
    for name, shape in blocks_model.shapes(config):
        tensor = tensors[our_name(name, config["num_hidden_layers"])]
        values = values_of(tensor).astype(np.float64)
        weights[name] = np.log(-values) if name.endswith("A_log") else values.reshape(shape)
        types.add(tensor.tensor_type.name)
        if tensor.tensor_type.name in IN_PANELS:
            rounded.add(name)
    return weights, rounded, types


def divergence(p, q):
    """KL(p || q) of each row, and how often the likeliest tokens are the same."""
    log_p, log_q = (x - np.logaddexp.reduce(x, axis=1, keepdims=True) for x in (p, q))
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=1), float((p.argmax(axis=1) == q.argmax(axis=1)).mean())


def check(sambay, folder, kind, original):
    path, ids_file, out = (os.path.join(folder, f"{kind}.{end}") for end in ("gguf", "ids.json", "logits.safetensors"))
    config = blocks_model.load_config()
    subprocess.run([sambay, "convert", folder, "-o", path, "--type", kind], check=True, capture_output=True)
    weights, rounded, types = decoded(path, config)
    ids = original["p0.input_ids"]
    with open(ids_file, "w") as f:
        json.dump(ids.tolist(), f)
    exact, expected = SambaY(config, weights).logits(ids), SambaY(config, weights, rounded).logits(ids)
    effect = rms(expected - exact)
    assert effect > 100 * FLOAT32, (kind, effect)  # what is compared is not float32's own error
    for isa in ([], ["--isa", "scalar"]):
        subprocess.run([sambay, "logits", path, "--ids", ids_file, "-o", out, "--kv", "f32", *isa], check=True)
        logits = read_safetensors(out)["logits"].astype(np.float64)
        error, apart = rms(logits - exact), rms(logits - expected)
        passes = 0.9 * effect <= error <= 1.1 * effect and apart <= effect
        kl, same = divergence(original["p0.logits"].astype(np.float64), logits)
        print(f"{'ok' if passes else 'FAILED':8} {kind}{' '.join(isa).replace('--isa', '')}: effect {effect:.5f}, error {error:.5f}, apart {apart:.5f}; "
              f"from bf16: KL {kl.mean():.5f}, at most {kl.max():.5f}, same first {same:.3f}; {', '.join(sorted(types))}", flush=True)
        assert passes


def main(sambay, folder, *types):
    passed = 0
    for name in sorted(glob.glob(os.path.join(GOLDEN, "[a-d]_*"))):
        reference_agrees_with(name)
        passed += 1
    blocks_model.write_model(folder)
    original = read_safetensors(os.path.join(blocks_model.HERE, "expected.safetensors"))
    for kind in types or TYPES:
        check(sambay, folder, kind, original)
        passed += 1
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
