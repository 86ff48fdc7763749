"""What every family of problems speaks: a problem, its split, and the ways a person might write it."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field

HELD_OUT_PERCENT = 5  # of all problems, chosen by hash, never trained on
HELD_OUT_MARK = "held out:"  # begins the key of a problem that belongs to the test set whatever its hash says


@dataclass
class Problem:
    """One conversation that ends with what the assistant should write.

    messages: what stands before the last answer: dicts with `role` (system, user, assistant, tool) and `content`;
    a system message may carry `tools` (a JSON text), an assistant's message `thinking`.
    thinking: the work, one step per line, every line true by itself. answer: what follows it.
    keys: keys[0] names the problem, e.g. "add:347+589"; further keys name calculations that it contains and that are
    problems of another family. A problem is a test problem when keys[0] is held out, and may be trained on only when no key is.
    """

    family: str
    messages: list[dict]
    thinking: str
    answer: str
    keys: list[str] = field(default_factory=list)

    @staticmethod
    def ask(family: str, question: str, thinking: str, answer: str, keys: list[str]) -> "Problem":
        """A problem that is one question."""
        return Problem(family, [{"role": "user", "content": question}], thinking, answer, keys)


def is_held_out(key: str) -> bool:
    """Whether a problem belongs to the test set; a function of its name alone, so that it never changes."""
    if key.startswith(HELD_OUT_MARK):
        return True
    digest = hashlib.sha1(key.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def belongs_to(problem: Problem, split: str) -> bool:
    if split == "test":
        return is_held_out(problem.keys[0])
    return not any(is_held_out(key) for key in problem.keys)


class Source:
    """Random choices of one split. Phrasings are lists whose items are given to training or to the test, never to both."""

    def __init__(self, seed: int, split: str):
        if split not in ("train", "test"):
            raise ValueError(f"split is 'train' or 'test', not '{split}'")
        self.split = split
        self.rng = random.Random(f"{split}:{seed}")

    def phrase(self, train: list[str], test: list[str]) -> str:
        """One phrasing of the split at hand; use str.format on it."""
        return self.rng.choice(train if self.split == "train" else test)

    def number(self, max_digits: int, min_digits: int = 1) -> int:
        """Uniform in the number of digits, then uniform among numbers of that length (0 counts as one digit)."""
        digits = self.rng.randint(min_digits, max_digits)
        return self.rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability


def to_json(problem: Problem) -> str:
    return json.dumps(
        {
            "family": problem.family,
            "messages": problem.messages,
            "thinking": problem.thinking,
            "answer": problem.answer,
            "key": problem.keys[0],
        },
        ensure_ascii=False,
    )
