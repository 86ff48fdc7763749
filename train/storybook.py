"""Reads phrases/*.txt: sections for training, for the test, or for both; lines with variants and tenses.

    [train ask.top]
    Who is [the ][tallest|biggest]?
    [test ask.top]
    ...

A bracket lists alternatives, `[x]` alone means x or nothing. `@buys` is a verb whose tense the story decides.
`#` begins a comment line. Placeholders like {name} are filled in with str.format_map.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from problem import Source

FOLDER = Path(__file__).parent / "phrases"
MOST_VARIANTS = 3000  # of one line; more is a slip of the pen
_HEADER = re.compile(r"\[(?:(train|test|both) )?([\w.]+)\]")
_ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")


def sections(file_name: str) -> dict[tuple[str, str], list[str]]:
    """The lines of each section by (split, name); a section that names no split is for both."""
    found: dict[tuple[str, str], list[str]] = {}
    lines = None
    for number, line in enumerate((FOLDER / file_name).read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        header = _HEADER.fullmatch(line)
        if header:
            lines = found.setdefault((header[1] or "both", header[2]), [])
        elif line and not line.startswith("#"):
            if lines is None:
                raise ValueError(f"{file_name}:{number}: a line before the first section")
            lines.append(line)
    return found


def variants(line: str) -> list[str]:
    """The line with every choice of its alternatives."""
    pieces = _ALTERNATIVES.split(line)  # text, alternatives, text, ...
    choices = []
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            choices.append([piece])
        else:
            choices.append(piece.split("|") if "|" in piece else [piece, ""])
    result = [" ".join("".join(choice).split()) for choice in itertools.product(*choices)]
    if len(result) > MOST_VARIANTS:
        raise ValueError(f"{len(result)} variants of '{line}'")
    return result


class Storybook:
    """The phrasings of one file. Lines are chosen uniformly, then one of the line's variants."""

    def __init__(self, file_name: str):
        self.lines: dict[str, dict[str, list[list[str]]]] = {}
        for (split, name), lines in sections(file_name).items():
            by_split = self.lines.setdefault(name, {"train": [], "test": []})
            expanded = [variants(line) for line in lines]
            for one in ("train", "test") if split == "both" else (split,):
                by_split[one] = by_split[one] + expanded

    def pick(self, source: Source, name: str) -> str:
        """A phrasing of the split at hand."""
        choice = source.rng.choice
        return choice(choice(self.lines[name][source.split]))

    def __contains__(self, name: str) -> bool:
        return name in self.lines

    def has(self, source: Source, name: str) -> bool:
        """Whether the split at hand has phrasings of that name."""
        return name in self.lines and bool(self.lines[name][source.split])

    def count(self, split: str, prefix: str = "") -> int:
        """How many lines of the split there are in sections whose names begin like this."""
        return sum(len(by_split[split]) for name, by_split in self.lines.items() if name.startswith(prefix))


# -- tenses --------------------------------------------------------------------------------------------------


def _read_past_forms() -> dict[str, str]:
    """Of `gives` and of `give`."""
    lines = (FOLDER / "verbs.txt").read_text(encoding="utf-8").splitlines()
    forms = dict(line.split() for line in lines if line[:1] != "#")
    return {base_of(present): past for present, past in forms.items()} | forms


_VERB = re.compile(r"@([A-Za-z]+)")


def base_of(present: str) -> str:
    """buys -> buy, has -> have, carries -> carry; what is no third person stays as it is."""
    if present in ("has", "does", "is", "was"):
        return {"has": "have", "does": "do", "is": "am", "was": "was"}[present]
    if present.endswith("ies"):
        return present if present == "dies" else present[:-3] + "y"
    if present.endswith(("ches", "shes", "sses", "xes", "zzes", "oes")):
        return present[:-2]
    return present[:-1] if present.endswith("s") and not present.endswith("ss") else present


def past_of(present: str) -> str:
    """bakes -> baked, carries -> carried; the irregular ones are in phrases/verbs.txt."""
    if present in _PAST:
        return _PAST[present]
    base = base_of(present)
    if base in _PAST:
        return _PAST[base]
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + "ed"


_PAST = _read_past_forms()


def in_tense(text: str, past: bool) -> str:
    """The text with its @verbs in the present or the past."""
    if "@" not in text:
        return text
    return _VERB.sub((lambda match: past_of(match[1])) if past else r"\1", text)


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


_BEFORE_VOWEL = re.compile(
    r"\b([Aa]) (?=[aio]|e(?!u))(?!(?:and|are|as|at|if|in|is|of|off|on|one|once|or)\b)"  # `machine A is`, `a one`
)


def with_right_articles(text: str) -> str:
    """Texts say `a {place}`, whatever the place: a office becomes an office."""
    return _BEFORE_VOWEL.sub(r"\1n ", text)
