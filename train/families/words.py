"""Word problems: stories of one to five steps, put together or told whole, each step a labelled line.

` total 12+15=27`: an operation that fits on one line; ` total` above columns for a larger one. The label says what is
done (` total` adds or multiplies, ` left` subtracts, ` each` divides): the operation is decided before its numbers.
"""

from __future__ import annotations

import re

import work
from problem import Problem, Source
from tale_words import as_word
from tales import Story, tell_tale
from plots import tell_plot

TALES_PERCENT = 45  # stories put together from pieces; the others are told whole


def word(source: Source) -> Problem:
    """One word problem."""
    while True:
        story = tell_tale(source) if source.rng.random() * 100 < TALES_PERCENT else tell_plot(source)
        if story:
            return _as_problem(story)


def _as_problem(story: Story) -> Problem:
    keys = ["word:" + " ".join(re.sub(r"[^\w$€£ ]", " ", story.text.lower()).split())]
    lines: list[str] = []
    for step in story.steps:
        lines += _written(step.left, step.operation, step.right)
        keys += _contained(step.left, step.operation, step.right)
    return Problem.ask("word", story.text, "\n".join(lines), story.answer, keys)


def _written(a: int, operation: str, b: int) -> list[str]:
    """One step with its label."""
    label = _LABELS[operation]
    if operation in ("//", "%"):
        quotient_or_rest = a // b if operation == "//" else a % b
        return [*work.div_lines(a, b), f" {label} {quotient_or_rest}"]
    if operation == "/" and b <= 12 and a <= 12 * b:
        lines = [f"{a}/{b}={a // b}"]  # the times table read backwards
    else:
        lines = {"+": work.add_lines, "-": work.sub_lines, "*": work.mul_lines, "/": work.div_lines}[
            operation
        ](a, b)
    if len(lines) == 1:
        return [f" {label} {lines[0]}"]
    return [f" {label}", *lines]


_LABELS = {"+": "total", "*": "total", "-": "left", "/": "each", "//": "each", "%": "rest"}
_KEY_NAMES = {"+": "add", "-": "sub", "*": "mul", "/": "div", "//": "div", "%": "div"}


def _contained(a: int, operation: str, b: int) -> list[str]:
    """The calculation as a problem of its own family, when it is large enough to be one of interest."""
    least = 100 if operation in "+-" else 10
    if min(a, b) < least:
        return []
    sign = "/" if operation in ("//", "%") else operation
    return [f"{_KEY_NAMES[operation]}:{a}{sign}{b}"]


FAMILIES = {"word": word}


# -- the check -----------------------------------------------------------------------------------------------

_LABELLED = re.compile(r" ([^\W\d][^\d=]*?) ([\d].*)")
_LABEL = re.compile(r" [^\W\d][^\d=]*")
_OPERANDS = re.compile(r"(\d+)([-+*/])(\d+)")
_IMPLIED = {1, 2, 3, 4, 5, 7, 10, 12, 24, 30, 52, 60, 100, 1000}  # twice, a week, a dozen, an hour ...


def check_word(problem: Problem) -> str | None:
    """Every line is true and uses numbers of the question or earlier results; the last gives the answer."""
    import verify

    known = numbers_in(problem.messages[-1]["content"]) | _IMPLIED
    bare: list[str] = []
    stated: list[tuple[int, int]] = []  # (number of lines before it, a value that only restates)
    for line in problem.thinking.split("\n"):
        labelled = _LABELLED.fullmatch(line)
        if labelled and labelled[2].isdigit():
            stated.append((len(bare), int(labelled[2])))
        elif labelled:
            bare.append(labelled[2])
        elif not _LABEL.fullmatch(line):
            bare.append(line)
    found = verify.read_work(bare)
    for before, value in stated:
        division = re.fullmatch(r"=(\d+)(?: r (\d+))?", bare[before - 1] if before else "")
        is_last = before == len(bare)
        if not division or value != int(division[1]) and not (is_last and value == int(division[2] or 0)):
            return f"{value} is not what the division gave"
        known.add(value)
    for calculation in found:
        operands = _OPERANDS.fullmatch(calculation.text)
        if not operands:
            return f"'{calculation.text}' is no step of two numbers"
        unknown = {int(operands[1]), int(operands[3])} - known
        if unknown:
            return f"{sorted(unknown)} in '{calculation.text}' comes from nowhere"
        known |= {int(calculation.value), calculation.remainder}
    last = re.search(r"(?<! r )\b\d+$", problem.thinking)
    answer = re.fullmatch(r"[$€£]?(\d+)", problem.answer)
    if not answer or not last or answer[1] != last[0]:
        return f"the work ends with {last and last[0]}, the answer is {problem.answer}"
    return None


def numbers_in(text: str) -> set[int]:
    """All numbers in a text, also those written as words."""
    numbers = {int(digits) for digits in re.findall(r"\d+", text)}
    words = set(re.findall(r"[a-z]+", text.lower()))
    return numbers | {value for value in range(1, 13) if as_word(value) in words}


CHECKS = {"word": check_word}
