#!/usr/bin/env python3
"""Measures what each format costs, and prints the tables of docs/quality.md; with --write it puts them there.

Usage: quality_table.py [--sambay PROGRAM] [--model FOLDER] [--limit TOKENS] [--problems COUNT] [--write]

  1. The small model's own conversations: what it still answers, and KL divergence and agreement with bf16 while it does (`sambay eval pocket --card`).
  2. KL divergence and agreement with f32 over a text: the held-out problems without the chat's layout, which the model never saw.
  3. Squared error of every matrix beside what PyPI's gguf package makes of it, for the formats that the package can write.
  4. The same for all formats on the rows of tests/tensor/blocks.gguf, beside ggml's own functions: as tests/tensor/quant_test.cpp prints it.

Needs PyPI's gguf and numpy: `./check gguf` leaves a Python that has them in build/venv.
"""
import argparse, json, os, re, subprocess, sys, tempfile
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize, quantize

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIXES = ["f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q5_1", "q5_0", "q4_k_m", "q4_k_s", "q4_1", "q4_0", "iq4_nl", "q3_k_m", "q2_k"]
WRITTEN_BY_GGUF = ["q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
BEGIN, END = "<!-- made by tools/quality_table.py -->", "<!-- end -->"


def held_out_text(path):
    """The problems, one after another, a family at a time in turn, so that any beginning of the text has them all."""
    families = {}
    with open(path) as f:
        for line in f:
            problem = json.loads(line)
            if "family" in problem:
                text = "\n".join([m["content"] for m in problem["messages"]] + [problem.get("thinking", ""), problem["answer"]])
                families.setdefault(problem["family"], []).append(text)
    turns = max(len(texts) for texts in families.values())
    return "\n\n".join(texts[i] for i in range(turns) for texts in families.values() if i < len(texts)) + "\n"


def conversations_table(options, folder):
    card = os.path.join(folder, "card.json")
    run(options, "eval", "pocket", "-m", options.model, "--card", card, "--types", ",".join(MIXES), "--limit", str(options.problems))
    with open(card) as f:
        types = json.load(f)["types"]
    rows = [f"| {mix} | {100 * found['accuracy']:.1f} | " + (f"{found['kl_mean']:.7f} | {100 * found['top1_agreement']:.3f} |" if "kl_mean" in found else "- | - |")
            for mix, found in types.items()]
    return [f"{options.problems} held-out problems a family, answer and work both right.", "", "| type | right, % | KL mean | same first, % |", "|---|---|---|---|", *rows]


def divergence_table(options, folder):
    text = os.path.join(folder, "held-out.txt")
    with open(text, "w") as f:
        f.write(held_out_text(os.path.join(ROOT, "models/pocket/problems.jsonl")))
    f32 = os.path.join(folder, "f32.gguf")
    run(options, "convert", options.model, "-o", f32, "--type", "f32")
    rows, counted = [], None
    for mix in MIXES:
        path = os.path.join(folder, mix + ".gguf")
        run(options, "convert", options.model, "-o", path, "--type", mix)
        found = json.loads(run(options, "compare", f32, path, "--text", text, "--limit", str(options.limit), "--kv-a", "f32", "--kv-b", "f32", "--json"))
        kl = found["kl"]
        counted = found
        rows.append(f"| {mix} | {os.path.getsize(path) / 1e6:.2f} | {found['b']['perplexity']['value']:.4f} | {kl['mean']:.6f} ± {kl['standard_error']:.6f} | {kl['median']:.6f} "
                    f"| {kl['p99']:.5f} | {kl['max']:.4f} | {100 * found['top1_agreement']:.2f} | {100 * found['top5_agreement']:.2f} |")
    reference = counted["a"]["perplexity"]["value"]
    return [f"{counted['predicted']} tokens in pieces of {counted['chunk']}; perplexity of f32 {reference:.4f}; KV cache f32; kernels {counted['b']['isa']}.", "",
            "| type | file MB | perplexity | KL mean | median | 99 % | max | same first, % | same among five, % |", "|---|---|---|---|---|---|---|---|---|", *rows]


def matrix_table(options, folder):
    original = {t.name: t for t in GGUFReader(os.path.join(folder, "f32.gguf")).tensors}
    rows = []
    for kind in WRITTEN_BY_GGUF:
        path = os.path.join(folder, f"all-{kind}.gguf")
        run(options, "quantize", options.model, "-o", path, "--type", kind, "--rule", "*=" + kind)
        ratios, ours_sum, theirs_sum = [], 0.0, 0.0
        for tensor in GGUFReader(path).tensors:
            if tensor.tensor_type.name.lower() != kind:
                continue
            values = np.asarray(original[tensor.name].data, np.float64).reshape(-1)
            reference = dequantize(quantize(values.astype(np.float32), GGMLQuantizationType[kind.upper()]), GGMLQuantizationType[kind.upper()])
            ours = ((dequantize(tensor.data, tensor.tensor_type).reshape(-1) - values) ** 2).sum()
            theirs = ((reference.reshape(-1) - values) ** 2).sum()
            ratios.append(ours / theirs)
            ours_sum, theirs_sum = ours_sum + ours, theirs_sum + theirs
        rows.append(f"| {kind} | {len(ratios)} | {ours_sum / theirs_sum:.3f} | {min(ratios):.3f} | {max(ratios):.3f} |")
    return ["| type | matrices | all together | best matrix | worst matrix |", "|---|---|---|---|---|", *rows]


def rows_table(options):
    program = os.path.join(os.path.dirname(options.sambay), "tests/tensor_tests")
    if not os.path.exists(program):
        return ["Not measured: tests/tensor_tests was not built beside the program."]
    out = subprocess.run([program, "--gtest_filter=*ErrsNoMoreThanTheReference*"], check=True, capture_output=True, text=True).stdout
    plain, weighted, name = {}, {}, None
    for line in out.splitlines():
        if found := re.match(r"\[ RUN +\] .*ErrsNoMoreThanTheReference(\w*)/(\w+)", line):
            table, name = (weighted if found[1] else plain), found[2]
        elif found := re.search(r"squared error \S+, reference \S+: ([0-9.]+)", line):
            table[name] = float(found[1])
    return ["| type | ratio | with an importance matrix |", "|---|---|---|",
            *(f"| {kind} | {plain[kind]:.3f} | {weighted[kind]:.3f} |" if kind in weighted else f"| {kind} | {plain[kind]:.3f} | |" for kind in plain)]


def run(options, *args):
    done = subprocess.run([options.sambay, *args], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join([options.sambay, *args])}: {done.stderr.strip()}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sambay", default=os.path.join(ROOT, "build/sambay"))
    parser.add_argument("--model", default=os.path.join(ROOT, "models/pocket"))
    parser.add_argument("--limit", type=int, default=16384, help="tokens of the text")
    parser.add_argument("--problems", type=int, default=25, help="problems a family")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = ["### In the model's own conversations", "", *conversations_table(options, folder), "", "### Distance from f32 over a text", "", *divergence_table(options, folder), "", "### Squared error of the model's matrices over that of the gguf package's quantization", "",
                 *matrix_table(options, folder), "", "### Squared error of random rows over that of ggml's functions", "", *rows_table(options)]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.write:
        path = os.path.join(ROOT, "docs/quality.md")
        with open(path) as f:
            before, _, rest = f.read().partition(BEGIN)
        with open(path, "w") as f:
            f.write(before + BEGIN + "\n\n" + text + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
