#!/usr/bin/env python3
"""Averages weights of one shape: average.py --recipe recipe.json --out OUT.safetensors 0.1=A.safetensors 0.45=B.safetensors 0.45=C.safetensors

Checkpoints that come from one another lie in one valley of the loss; between them it is lower, and what each of them read wrong by chance is
mostly gone. Shares are positive and make 1 together.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from checkpoint import load_weights, save_weights, tokenizer_of
from train import load_recipe


def share_and_path(text: str) -> tuple[float, Path]:
    share, equals, path = text.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = 0.0
    if not equals or not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"'{text}': as in 0.5=model.safetensors, with a share above 0 and at most 1")
    return number, Path(path)


def average(parts: list[tuple[float, dict[str, torch.Tensor]]]) -> dict[str, torch.Tensor]:
    """The weighted mean of weights of one shape, in float32. Raises ValueError when the shares do not make 1."""
    if abs(sum(share for share, _ in parts) - 1) > 1e-6:
        raise ValueError(f"the shares make {sum(share for share, _ in parts):g} together, not 1")
    return {name: sum(share * weights[name] for share, weights in parts) for name in parts[0][1]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", type=share_and_path, nargs="+", metavar="SHARE=WEIGHTS")
    parser.add_argument("--recipe", type=Path, required=True, help="for the shape of the model")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    try:
        shape = load_recipe(options.recipe)[0]
        digest = next(filter(None, (tokenizer_of(path) for _, path in options.parts)), None)
        mean = average([(share, load_weights(path, shape, digest)) for share, path in options.parts])
        save_weights(options.out, mean, digest)
    except (OSError, ValueError) as error:
        print(f"average.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
