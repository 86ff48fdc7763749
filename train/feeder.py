"""Makes training examples as fast as they are used: problems, encoded, in an order that the seed fixes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chat import ChatTokenizer
from families import all_families
from generate import distinct_problems, make_problem
from problem import Source

ROUND = 512  # problems encoded at once
MAX_TOKENS = 768  # longer examples are left out: they would starve the others


@dataclass
class Settings:
    tokenizer: Path
    families: dict[str, float]  # name to weight: share of the problems, not of the tokens
    seed: int


def check_families(names) -> None:
    known = all_families()
    for name in names:
        if name not in known:
            raise ValueError(f"the recipe names the family '{name}'; there are {', '.join(known)}")


def feed(settings: Settings, ready) -> None:
    """Puts lists of (ids, mask) into the queue for ever; runs in a process of its own."""
    check_families(settings.families)
    tokenizer = ChatTokenizer(settings.tokenizer)
    source = Source(settings.seed, "train")
    names, weights = list(settings.families), list(settings.families.values())
    while True:
        chosen = source.rng.choices(names, weights, k=ROUND)
        encoded = tokenizer.encode_all([make_problem(name, source) for name in chosen])
        ready.put([example for example in encoded if len(example[0]) <= MAX_TOKENS])


def examples(tokenizer: Path, family: str, count: int, split: str, seed: int) -> list[tuple[list[int], list[bool]]]:
    """`count` different problems of one family, encoded."""
    return ChatTokenizer(tokenizer).encode_all(list(distinct_problems(family, count, seed, split)))
