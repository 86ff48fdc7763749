"""Makes training batches as fast as they are used: problems, encoded and packed, in an order that the seed fixes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    batch_tokens: int  # a batch ends with the sequence that reaches this


@dataclass
class Packed:
    """Sequences side by side. ids [rows]; positions [rows]: place in the own sequence; starts [sequences + 1]: first rows; asking: rows whose
    next token is to be learned; q_starts [sequences + 1]: first asking rows of sequences; targets: the tokens to learn. All int32."""

    ids: np.ndarray
    positions: np.ndarray
    starts: np.ndarray
    asking: np.ndarray
    q_starts: np.ndarray
    targets: np.ndarray


def pack_rows(sequences: list[tuple[list[int], list[bool]]]) -> Packed:
    """The last token of a sequence is only a target: nothing is asked behind it."""
    lengths = np.array([len(tokens) - 1 for tokens, _ in sequences])
    tokens = np.concatenate([np.asarray(tokens, np.int32) for tokens, _ in sequences])
    learn = np.concatenate([np.asarray(mask, bool) for _, mask in sequences])
    begins = np.concatenate([[0], np.cumsum(lengths + 1)])
    is_row = np.ones(len(tokens), bool)
    is_row[begins[1:] - 1] = False
    asks = np.concatenate([learn[1:], [False]])[is_row]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    asking = np.flatnonzero(asks)
    return Packed(
        tokens[is_row],
        (np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)).astype(np.int32),
        starts.astype(np.int32),
        asking.astype(np.int32),
        np.searchsorted(asking, starts).astype(np.int32),
        np.concatenate([tokens[1:], [0]])[is_row][asks].astype(np.int32),
    )


def check_families(names) -> None:
    known = all_families()
    for name in names:
        if name not in known:
            raise ValueError(f"unknown family '{name}'; there are {', '.join(known)}")


def encoded_for_ever(settings: Settings):
    """Yields (ids, mask) for ever."""
    check_families(settings.families)
    tokenizer = ChatTokenizer(settings.tokenizer)
    source = Source(settings.seed, "train")
    names, weights = list(settings.families), list(settings.families.values())
    while True:
        chosen = source.rng.choices(names, weights, k=ROUND)
        for example in tokenizer.encode_all([make_problem(name, source) for name in chosen]):
            if len(example[0]) <= MAX_TOKENS:
                yield example


def feed(settings: Settings, ready) -> None:
    """Puts packed batches into the queue for ever; runs in a process of its own."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # there is one such process per core already
    held: list = []
    tokens = 0
    for example in encoded_for_ever(settings):
        held.append(example)
        tokens += len(example[0])
        if tokens >= settings.batch_tokens:
            ready.put(pack_rows(held))
            held, tokens = [], 0


def examples(tokenizer: Path, family: str, count: int, split: str, seed: int) -> list[tuple[list[int], list[bool]]]:
    """`count` different problems of one family, encoded."""
    return ChatTokenizer(tokenizer).encode_all(list(distinct_problems(family, count, seed, split)))
