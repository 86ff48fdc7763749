#!/usr/bin/env python3
"""Asks a trained model the held-out problems, in PyTorch: evaluate.py --model DIR [--count 200] [--family F] [--failures 3]

A problem counts when the whole solution is right: every token, work and answer, is the likeliest one after those before it, so greedy
decoding writes just this solution. `sambay eval pocket` asks the same of the program itself, and accepts other work that is right.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from pathlib import Path

import torch

from chat import ChatTokenizer
from checkpoint import load_weights
from families import all_families
from feeder import check_families
from generate import TooFew, distinct_problems
from ops import NativeOps
from sambay import Shape, config_json, forward
from train import Trainer, pack


def shape_of(folder: Path, tokenizer: ChatTokenizer) -> Shape:
    """The shape in DIR/config.json. Raises ValueError when it does not fit the tokenizer."""
    config = json.loads((folder / "config.json").read_text())
    shape = Shape(**{name: config[name] for name in Shape.__dataclass_fields__})
    for name, value in json.loads(config_json(shape, 0)).items():  # what this forward pass takes for granted
        if config.get(name) != value and not name.endswith("_token_id"):
            raise ValueError(f"{folder}/config.json: {name} is {config.get(name)!r}, and this trainer knows only {value!r}")
    if shape.vocab_size != tokenizer.vocab_size:
        raise ValueError(f"{folder}: config.json speaks of {shape.vocab_size} tokens, tokenizer.json has {tokenizer.vocab_size}")
    return shape


@torch.no_grad()
def first_error(trainer: Trainer, tokenizer: ChatTokenizer, encoded) -> tuple[str, str, str]:
    """What was written before the first wrong token, that token, and the right one."""
    batch = pack([encoded])
    choice = forward(trainer.leaves(trainer.weights, False), batch, trainer.shape, trainer.ops).argmax(-1)
    wrong = (choice != batch.targets).nonzero()[0, 0]
    decode = lambda ids: tokenizer.tokenizer.decode(ids, skip_special_tokens=False)
    at = int(batch.asking[wrong])
    return decode(encoded[0][: at + 1]), decode([int(choice[wrong])]), decode([int(batch.targets[wrong])])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder with config.json, tokenizer.json and model.safetensors")
    parser.add_argument("--weights", type=Path, help="other weights of the same shape, such as a stage's checkpoint")
    parser.add_argument("--count", type=int, default=200, help="problems per family")
    parser.add_argument("--family", action="append", help="only this family; repeatable")
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--failures", type=int, default=0, help="show the first N failures of each family")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.count < 1 or options.failures < 0:
        parser.error(f"--count is at least 1 and --failures at least 0, not {options.count} and {options.failures}")
    try:
        check_families(options.family or [])
        tokenizer = ChatTokenizer(options.model)
        shape = shape_of(options.model, tokenizer)
        weights = load_weights(options.weights or options.model / "model.safetensors", shape, tokenizer.digest)
    except (OSError, ValueError, KeyError) as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 1
    kernels = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sambay-train"
    trainer = Trainer(shape, weights, len(os.sched_getaffinity(0)), NativeOps(kernels))
    results = {}
    for family in options.family or all_families():
        try:
            encoded = tokenizer.encode_all(list(distinct_problems(family, options.count, options.seed, options.split)))
        except TooFew as error:
            print(f"evaluate.py: {error}", file=sys.stderr)
            return 1
        solved = trainer.solved([pack(encoded[i : i + 20]) for i in range(0, len(encoded), 20)])
        results[family] = sum(solved) / len(solved)
        if not options.json:
            print(f"{family:<10} {100 * results[family]:6.2f} %", flush=True)
        failures = [example for example, good in zip(encoded, solved) if not good]
        for example in failures[: options.failures]:
            before, wrote, right = first_error(trainer, tokenizer, example)
            print(f"--- {before}\n    wrote {wrote!r}, right is {right!r}")
    if options.json:
        print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
