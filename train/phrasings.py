"""Reads phrases/<name>.txt: the ways to ask for something, one a line, in sections [train KIND] and [test KIND].

A line is a str.format template. Lines that start with # and empty lines are skipped.
"""

from __future__ import annotations

import re
from pathlib import Path


def essence(line: str) -> str:
    """What makes a phrasing itself: its words and slots. Where it has no words, the signs and spaces are all there is to differ in."""
    has_words = re.search(r"[^\W\d]", re.sub(r"\{.*?\}", "", line))
    return re.sub(r"[^\w{}+*/^%-]", "", line.casefold()) if has_words else line


def load_phrasings(name: str) -> dict[str, tuple[list[str], list[str]]]:
    """KIND -> (phrasings of training, phrasings of the test); for Source.phrase(*phrasings[KIND])."""
    kinds: dict[str, tuple[list[str], list[str]]] = {}
    section = None
    for line in (Path(__file__).parent / "phrases" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            split, _, kind = line[1:-1].partition(" ")
            if split not in ("train", "test"):
                raise ValueError(f"phrases/{name}.txt: section {line} is neither of training nor of the test")
            section = kinds.setdefault(kind, ([], []))[split == "test"]
        elif line.strip() and not line.startswith("#"):
            if section is None:
                raise ValueError(f"phrases/{name}.txt: '{line}' stands before the first section")
            section.append(line)
    for kind, (train, test) in kinds.items():
        if not train or not test:
            raise ValueError(f"phrases/{name}.txt: [{kind}] needs phrasings of both splits")
        held_out = {essence(line) for line in test}
        for line in train:
            if essence(line) in held_out:
                raise ValueError(f"phrases/{name}.txt: [{kind}] has '{line}' in training and in the test")
    return kinds


_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number: int) -> str:
    """A number from 0 to 99 in words: "forty-seven"."""
    if number < 20:
        return _ONES[number]
    tens = _TENS[number // 10 - 2]
    return f"{tens}-{_ONES[number % 10]}" if number % 10 else tens


def as_list(items: list[str], source) -> str:
    """Items as a person lists them: "12, 45 and 78", "12, 45, 78" or "12 and 45 and 78"."""
    style = source.rng.random()
    if style < 0.4:
        return ", ".join(items[:-1]) + " and " + items[-1]
    if style < 0.55:
        return ", ".join(items[:-1]) + ", and " + items[-1]
    if style < 0.9:
        return ", ".join(items)
    return " and ".join(items)
