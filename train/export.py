#!/usr/bin/env python3
"""Makes a model folder in the Hugging Face layout of Phi-4-mini-flash-reasoning: export.py --weights FILE --tokenizer DIR --out DIR

Beside the weights stand golden.json, logits and greedy continuations of held-out prompts from plain PyTorch in float32 with which an engine
can be checked, and problems.jsonl, the held-out problems that `sambay eval pocket` asks.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch

from chat import ChatTokenizer, Special, render
from checkpoint import load_weights, save_weights
from families import all_families
from generate import TooFew, distinct_problems
from ops import PlainOps
from problem import to_json
from sambay import Shape, config_json, forward
from train import load_recipe, pack, tokenizer_digest

MODEL_FILES = ("model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "golden.json", "problems.jsonl")
GOLDEN_SEED, PROBLEMS_SEED = 3, 7
GOLDEN_CASES = 24
MAX_NEW_TOKENS = 200


class Plain:
    """The model in plain PyTorch, one sequence, every row asking."""

    def __init__(self, weights: dict[str, torch.Tensor], shape: Shape, dtype: torch.dtype):
        self.weights, self.shape, self.ops = {name: value.to(dtype) for name, value in weights.items()}, shape, PlainOps(dtype)

    @torch.no_grad()
    def last_logits(self, ids: list[int]) -> torch.Tensor:
        batch = pack([(ids + [0], [False] * len(ids) + [True])])
        return forward(self.weights, batch, self.shape, self.ops)[0]

    def continue_greedily(self, ids: list[int], stop: int) -> tuple[list[int], torch.Tensor, float]:
        """New ids before the stop token, the logits after the prompt, and the smallest gap between the two best tokens."""
        new, first, gap = [], None, float("inf")
        while len(new) < MAX_NEW_TOKENS:
            logits = self.last_logits(ids + new)
            first = logits if first is None else first
            best = logits.topk(2)
            gap = min(gap, float(best.values[0] - best.values[1]))
            if int(best.indices[0]) == stop:
                break
            new.append(int(best.indices[0]))
        return new, first, gap


def golden(weights, shape: Shape, tokenizer: ChatTokenizer) -> dict:
    single, double = Plain(weights, shape, torch.float32), Plain(weights, shape, torch.float64)
    stop = tokenizer.special_ids["<|end|>"]
    families = [name for name in all_families() if name not in ("mul", "tool")]  # short ones: plain PyTorch has no cache
    cases, error, margin = [], 0.0, float("inf")
    for i in range(GOLDEN_CASES):
        family = families[i % len(families)]
        problem = list(distinct_problems(family, i // len(families) + 1, GOLDEN_SEED, "test"))[-1]
        parts = render(problem)
        parts = parts[: len(parts) - 1 - [part for part, _ in reversed(parts)].index("<|assistant|>")] + [(Special("<|assistant|>"), False)]
        ids, mask = tokenizer.encode_all([problem])[0]
        prompt = ids[: mask.index(True)]
        new, logits, gap = single.continue_greedily(prompt, stop)
        error = max(error, float((logits - double.last_logits(prompt)).abs().max()))
        margin = min(margin, gap)
        cases.append(
            {
                "family": family,
                "prompt": "".join(part for part, _ in parts),
                "prompt_ids": prompt,
                "last_logits": [float(f"{value:.7g}") for value in logits],
                "greedy_ids": new,
                "greedy_text": tokenizer.tokenizer.decode(new, skip_special_tokens=False),
                "stop_id": stop,
                "expected_answer": problem.answer,
            }
        )
    return {
        "note": "bf16 weights as exported, float32 arithmetic, plain PyTorch",
        "max_abs_error_fp32_vs_fp64": error,
        "min_greedy_margin": margin,
        "cases": cases,
    }


def write_problems(path: Path, count: int) -> None:
    """Raises TooFew."""
    with open(path, "w") as file:
        file.write(json.dumps({"seed": PROBLEMS_SEED, "split": "test", "count": count}) + "\n")
        for family in all_families():
            for problem in distinct_problems(family, count, PROBLEMS_SEED, "test"):
                file.write(to_json(problem) + "\n")


def write_folder(folder: Path, weights, shape: Shape, tokenizer_folder: Path, problems: int) -> None:
    """Every one of MODEL_FILES. Raises TooFew, OSError."""
    write_problems(folder / "problems.jsonl", problems)
    tokenizer = ChatTokenizer(tokenizer_folder)
    end, end_of_text = tokenizer.special_ids["<|end|>"], tokenizer.special_ids["<|endoftext|>"]
    save_weights(folder / "model.safetensors", weights, tokenizer.digest)
    (folder / "config.json").write_text(config_json(shape, end_of_text))
    generation = {"bos_token_id": end_of_text, "do_sample": False, "eos_token_id": [end, end_of_text], "pad_token_id": end_of_text}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer_folder / name, folder / name)
    (folder / "golden.json").write_text(json.dumps(golden(weights, shape, tokenizer)) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("recipe.json"))
    parser.add_argument("--weights", type=Path, required=True, help="a stage's model.safetensors")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with tokenizer.json and tokenizer_config.json")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--problems", type=int, default=200, help="held-out problems per family")
    options = parser.parse_args()
    if options.problems < 1:
        parser.error(f"--problems is at least 1, not {options.problems}")
    try:
        shape, _, _ = load_recipe(options.recipe)
        weights = load_weights(options.weights, shape, tokenizer_digest(options.tokenizer, shape))
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=options.out) as folder:
            write_folder(Path(folder), weights, shape, options.tokenizer, options.problems)
            (options.out / "card.json").unlink(missing_ok=True)  # that of the weights before
            for name in MODEL_FILES:
                (Path(folder) / name).replace(options.out / name)
    except (OSError, ValueError, TooFew) as error:
        print(f"export.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
