"""Looking things up in the question: family `recall`. What every other family needs first, and what it is slow to learn by itself."""

from __future__ import annotations

from pathlib import Path

from phrasings import load_phrasings
from problem import Problem, Source
from verify import Wrong
from vocabulary import invented_name

_PHRASES = load_phrasings("recall")
_WORDS = sorted(
    {
        word
        for line in (Path(__file__).parent.parent / "phrases" / "common_words.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith(("[", "#"))
        for word in line.split()
    }
)


def recall(source: Source) -> Problem:
    """The words repeated, the value beside a name, the name beside a value, or what comes after something."""
    kind = source.rng.choice(("repeat", "value", "name", "next", "first", "last"))
    count = source.rng.randint(2, 7)
    words = source.rng.sample(_WORDS, count)
    if source.chance(0.3):
        words = [invented_name(source).lower() if source.chance(0.5) else word for word in words]
    if len(set(words)) < count:
        return recall(source)
    if kind in ("value", "name"):
        values = source.rng.sample(range(1000), count) if source.chance(0.6) else source.rng.sample(_WORDS, count)
        values = [str(value) for value in values]
        if set(values) & set(words):
            return recall(source)
        listed = _pairs(source, words, values)
        at = source.rng.randrange(count)
        asked, answer = (words[at], values[at]) if kind == "value" else (values[at], words[at])
        thinking = f" {asked}: {answer}"
    else:
        listed = source.rng.choice((", ", " ", ", ")).join(words)
        at = {"first": 0, "last": count - 1}.get(kind, source.rng.randrange(count - 1))
        asked = words[at]
        answer = {"repeat": " ".join(words), "next": words[min(at + 1, count - 1)]}.get(kind, asked)
        thinking = {"repeat": "".join(f" {word}" for word in words), "next": f" {asked} {answer}"}.get(kind, f" {answer}")
    question = source.phrase(*_PHRASES[kind]).format(list=listed, x=asked)
    return Problem.ask("recall", question, thinking, answer, [f"recall:{kind}:{listed}:{asked}"])


def _pairs(source: Source, names: list[str], values: list[str]) -> str:
    between, after = source.rng.choice(((": ", ", "), (" ", ", "), (" = ", "; "), (" is ", ", "), (" has ", ". "), (" -> ", "\n"), (":", " ")))
    return after.join(f"{name}{between}{value}" for name, value in zip(names, values))


def check(problem: Problem) -> str | None:
    """The answer stands in the question as the thing asked for."""
    _, kind, rest = problem.keys[0].split(":", 2)
    listed, asked = rest.rsplit(":", 1)
    parts = [part for part in listed.replace(",", " ").split()]
    line, answer = problem.thinking, problem.answer
    if kind == "repeat":
        wanted = " ".join(parts)
        return None if answer == wanted and line == f" {wanted}" else f"'{answer}' does not repeat '{wanted}'"
    if not line.endswith(answer) or answer not in listed:
        raise Wrong(f"'{answer}' does not stand in '{listed}'")
    if kind == "next" and parts[parts.index(asked) + 1] != answer:
        return f"'{answer}' does not come after '{asked}'"
    if kind in ("first", "last") and parts[0 if kind == "first" else -1] != answer:
        return f"'{answer}' is not the {kind} of '{listed}'"
    if kind in ("value", "name"):
        name, value = (asked, answer) if kind == "value" else (answer, asked)
        if line != f" {asked}: {answer}" or listed.find(value, listed.find(name) + len(name)) < 0:
            return f"'{line}' does not pair {name} and {value}"
    return None


FAMILIES = {"recall": recall}
CHECKS = {"recall": check}
