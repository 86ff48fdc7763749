"""Everything the model can't do: it says so, instead of talking nonsense.

The test asks the hand-written questions of phrases/out_of_scope.txt. Training asks those of phrases/refuse.txt, most
of them patterns with slots, and questions made of words at random: what matters is the way from "none of the known
kinds" to the refusal, whatever the words and numbers are.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from phrasings import essence
from problem import HELD_OUT_MARK, Problem, Source

REFUSAL = (
    "I can't do that: I know arithmetic, fractions, percentages, equations, units, sorting, word "
    "problems, logic"
    " puzzles, rules and tools."
)
REFUSAL_WORK = " not a question that I can work out"

PHRASES = Path(__file__).resolve().parent.parent / "phrases"
SMALL_NUMBERS = "2 3 4 5 6 7 8 9 10 12 two three four five six seven eight nine ten".split()
_SLOT = re.compile(r"\{\{|\}\}|\{([a-z]+)\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIO])")
_TYPO_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def read_sections(name: str) -> dict[str, list[str]]:
    """The lines of a file in phrases/ by section. Lines that begin with '# ' are headings for the reader."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (PHRASES / name).read_text(encoding="utf-8").splitlines():
        if re.fullmatch(r"\[[a-z ]+\]", line):
            lines = sections.setdefault(line[1:-1], [])
        elif line.strip() and not line.startswith("# "):
            lines.append(line)
    return sections


def _split_line(line: str) -> tuple:
    """A line as alternating text and slot names: ("Where is ", "city", "?")."""
    parts = []
    text = ""
    end = 0
    for match in _SLOT.finditer(line):
        text += line[end : match.start()]
        end = match.end()
        if match.group(1):
            parts += [text, match.group(1)]
            text = ""
        else:
            text += match.group()[0]
    return (*parts, text + line[end:])


def _read_fillers(sections: dict[str, list[str]]) -> dict[str, list[str]]:
    fillers = {kind: " ".join(lines).split() for kind, lines in read_sections("common_words.txt").items()}
    for name, lines in sections.items():
        if name.startswith("fill "):
            text = "|".join(lines)
            fillers[name.removeprefix("fill ")] = text.split("|") if "|" in text else text.split()
    return fillers


_SECTIONS = read_sections("refuse.txt")
FILLERS = _read_fillers(_SECTIONS)
_LINES = [_split_line(line) for line in _SECTIONS["lines"]]
_FIXED = [line for line in _LINES if len(line) == 1]
_PATTERNS = [line for line in _LINES if len(line) > 1]
_WORDS = [word for kind in ("noun", "plural", "adjective", "verb", "other") for word in FILLERS[kind]]
_TEST_QUESTIONS = [
    line for line in (PHRASES / "out_of_scope.txt").read_text(encoding="utf-8").splitlines() if line.strip()
]
_TEST_ESSENCES = {essence(line) for line in _TEST_QUESTIONS}
_NUMBERS = {
    "n": lambda rng: str(rng.randint(2, 99) if rng.random() < 0.5 else rng.randint(100, 9999)),
    "m": lambda rng: str(rng.randint(2, 999)),
    "s": lambda rng: rng.choice(SMALL_NUMBERS),
    "big": lambda rng: str(rng.randint(10**4, 10**9)),
    "year": lambda rng: str(rng.randint(1000, 2035)),
    "dom": lambda rng: str(rng.randint(1, 31)),
}


def _fill(parts: tuple, rng: random.Random) -> str:
    out = []
    for i, part in enumerate(parts):
        if i % 2 == 0:
            out.append(part)
        elif part in _NUMBERS:
            out.append(_NUMBERS[part](rng))
        else:
            out.append(rng.choice(FILLERS[part]))
    return _ARTICLE.sub(r"\1n ", "".join(out))


def _word_salad(rng: random.Random) -> str:
    """Words that make no question, now and then with a number between."""
    words = [rng.choice(_WORDS) for _ in range(rng.randint(1, 8))]
    if rng.random() < 0.4:
        words.insert(rng.randint(0, len(words)), str(rng.randint(0, 9999)))
    text = " ".join(words)
    return (text.capitalize() if rng.random() < 0.5 else text) + rng.choice(("", "", "?", ".", "!"))


def _letters(rng: random.Random) -> str:
    """Letters as a cat types them."""
    words = ["".join(rng.choices(_TYPO_LETTERS, k=rng.randint(2, 8))) for _ in range(rng.randint(1, 4))]
    return " ".join(words) + rng.choice(("", "", "", "?", "!"))


def _mistyped(text: str, rng: random.Random) -> str:
    """The text with one letter lost, doubled or exchanged for another."""
    i = rng.randrange(len(text))
    return text[:i] + rng.choice(("", text[i] * 2, rng.choice(_TYPO_LETTERS))) + text[i + 1 :]


def training_question(rng: random.Random) -> str:
    """A question that is none of the known kinds."""
    kind = rng.random()
    if kind < 0.03:
        return _letters(rng)
    if kind < 0.08:
        return _word_salad(rng)
    text = _fill(rng.choice(_PATTERNS if kind < 0.68 else _FIXED), rng)
    if kind > 0.97 and len(text) > 4:
        return _mistyped(text, rng)
    if kind > 0.93:
        return f"{text} {_fill(rng.choice(_LINES), rng)}"
    return text


def make_refuse(source: Source) -> Problem:
    """Any question but those of the other families; the answer is the refusal."""
    if source.split == "test":
        question = source.rng.choice(_TEST_QUESTIONS)
        key = f"{HELD_OUT_MARK}refuse:{question}"
    else:
        question = training_question(source.rng)
        while essence(question) in _TEST_ESSENCES:
            question = training_question(source.rng)
        key = f"refuse:{question}"
    return Problem.ask("refuse", question, REFUSAL_WORK, REFUSAL, [key])


def check_refuse(problem: Problem) -> str | None:
    if problem.thinking != REFUSAL_WORK or problem.answer != REFUSAL:
        return "not the refusal"
    return None


FAMILIES = {"refuse": make_refuse}
CHECKS = {"refuse": check_refuse}
