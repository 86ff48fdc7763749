"""Expressions with several operations and brackets, and sums and products of decimals: families `mixed` and `decimal`."""

from __future__ import annotations

import re
from fractions import Fraction

from expression import value_of
from families.bracketed import bracketed_task
from families.decimals import decimal_work, said_decimal, written
from phrasings import load_phrasings
from problem import Problem, Source
from steps import Work, bracketed
from verify import Wrong, ends_with_answer, read_work

_EXPRESSION = load_phrasings("expression")
_PRODUCT_SIGNS = ("*", "*", "x", "×", "·", "times")
_QUOTIENT_SIGNS = ("/", "/", "÷", ":", "divided by")
_MINUS_SIGNS = ("-", "-", "-", "−", "minus")
_PLUS_SIGNS = ("+", "+", "+", "plus")


# -- several operations ---------------------------------------------------------------------------------------------------


def mixed(source: Source) -> Problem:
    """Two to four operations on small numbers; every division comes out even, no step is below zero more than rarely."""
    said = source.split == "train" and source.chance(0.45)
    while True:
        tokens, words = bracketed_task(source) if said else (_expression(source), None)
        work = _reduce(tokens)
        if work is not None and (not said or len("".join(work[0])) < 450):
            break
    text = "".join(tokens)
    lines, value = work
    return Problem.ask("mixed", words or _ask(source, tokens), "\n".join(lines), str(value), [f"mixed:{text}"])


def _expression(source: Source) -> list[str]:
    count = source.rng.choices((3, 4, 5), (65, 25, 10))[0]
    tokens = []
    for i in range(count):
        if i:
            tokens.append(source.rng.choices("+-*/", (35, 25, 30, 10))[0])
        tokens.append(str(source.rng.randint(1, 12) if source.chance(0.6) else source.number(3, 2)))
    if source.chance(0.45):  # brackets around two or three neighbours
        width = 2 if count == 3 or source.chance(0.8) else 3
        first = 2 * source.rng.randint(0, count - width)
        tokens[first : first + 2 * width - 1] = ["(", *tokens[first : first + 2 * width - 1], ")"]
    return tokens


def _reduce(tokens: list[str]) -> tuple[list[str], int] | None:
    """The work, one operation after the other, and the value; None when a division is not even or a number gets too large."""
    work, left = Work(" " + "".join(tokens)), list(tokens)
    while len(left) > 1:
        at = _next_operation(left)
        a, operator, b = int(left[at - 1]), left[at], int(left[at + 1])
        if operator == "/":
            if b == 0 or a % b:
                return None
            value = work.divide(a, b)
        else:
            value = {"+": work.add, "-": work.subtract, "*": work.multiply}[operator](a, b)
        if not -999 <= value <= 99_999:
            return None
        left[at - 1 : at + 2] = [str(value)]
        if at >= 2 and left[at - 2] == "(" and left[at] == ")":
            left[at - 2 : at + 1] = [str(value)]
        if len(left) > 1:
            work.say(" " + "".join(_shown(left)))
    return work.lines, int(left[0])


def _next_operation(tokens: list[str]) -> int:
    """Where the operation stands that comes first: inside the brackets, products before sums, from the left."""
    begin, end = 0, len(tokens)
    if "(" in tokens:
        end = tokens.index(")")
        begin = max(at for at in range(end) if tokens[at] == "(")
    for operators in ("*/", "+-"):
        for at in range(begin, end):
            if tokens[at] in operators:
                return at
    raise ValueError(f"no operation in {tokens}")


def _shown(tokens: list[str]) -> list[str]:
    """Negative numbers in brackets, but for a first one."""
    return [bracketed(int(t)) if i and t[0] == "-" and len(t) > 1 else t for i, t in enumerate(tokens)]


def _ask(source: Source, tokens: list[str]) -> str:
    signs = {
        "+": source.rng.choice(_PLUS_SIGNS),
        "-": source.rng.choice(_MINUS_SIGNS),
        "*": source.rng.choice(_PRODUCT_SIGNS),
        "/": source.rng.choice(_QUOTIENT_SIGNS),
    }
    spaced = source.chance(0.6) or any(len(sign) > 2 for sign in signs.values())
    text = "".join(f" {signs[t]} " if t in signs and spaced else signs.get(t, t) for t in tokens)
    if source.split == "train" and "(" in text and source.chance(0.1):
        text = text.replace("(", "( ").replace(")", " )")
    if source.split == "train" and ")*(" in "".join(tokens) and source.chance(0.2):
        text = re.sub(r"\) ?(\*|x|×|·|times) ?\(", ")(", text)
    return _phrase(source, text)


def _phrase(source: Source, text: str) -> str:
    return source.phrase(*_EXPRESSION["bare" if source.chance(0.3) else "expression"]).format(e=text)


# -- decimals -------------------------------------------------------------------------------------------------------------


def decimal(source: Source) -> Problem:
    """Sum or difference of decimals with at most two places, or a decimal times a whole number: as whole numbers, then the point."""
    if source.split == "train" and source.chance(0.6):
        return said_decimal(source)
    operator = source.rng.choices("+-*", (40, 35, 25))[0]
    a, places_a = _decimal_number(source)
    if operator == "*":
        b, places_b = source.rng.randint(2, 12) if source.chance(0.6) else source.number(2, 2), 0
    else:
        b, places_b = _decimal_number(source) if source.chance(0.8) else (source.number(3), 0)
    a_text, b_text = written(a, places_a), written(b, places_b)
    lines, answer = decimal_work(operator, (a, places_a), (b, places_b))
    signs = {"+": _PLUS_SIGNS, "-": _MINUS_SIGNS, "*": _PRODUCT_SIGNS}[operator]
    sign = source.rng.choice(signs)
    sign = f" {sign} " if len(sign) > 2 or source.chance(0.6) else sign
    key = f"decimal:{a_text}{operator}{b_text}"
    return Problem.ask("decimal", _phrase(source, f"{a_text}{sign}{b_text}"), "\n".join(lines), answer, [key])


def _decimal_number(source: Source) -> tuple[int, int]:
    """A number as (digits, places): 1 or 2 places, up to 3 digits before the point, no zero at the end."""
    places = source.rng.choice((1, 2))
    last = source.rng.randint(1, 9)
    before = source.number(3)
    middle = source.rng.randint(0, 9) if places == 2 else 0
    return (before * 100 + middle * 10 + last, 2) if places == 2 else (before * 10 + last, 1)


# -- the check of the work --------------------------------------------------------------------------------------------------


def check(problem: Problem) -> str | None:
    """Every restated expression has the value of the problem's, every calculation is right, and the last one gives the answer."""
    task = problem.keys[0].partition(":")[2]
    lines, wanted = problem.thinking.split("\n"), value_of(task)
    restated = [line[1:] for line in lines if line.startswith(" ")]
    if not restated or any(value_of(line) != wanted for line in restated):
        return f"a restated expression is not {task}"
    if problem.family == "mixed" and restated[0] != task:
        return f"'{restated[0]}' is not the task {task}"
    calculations = read_work([line for line in lines if not line.startswith(" ")])
    if problem.family == "mixed" and len(re.findall(r"(?<=[\d)])[-+*/]", task)) != len(restated):
        return "there is not one restated expression per operation"
    if not calculations or calculations[-1].value != wanted or Fraction(problem.answer) != wanted:
        raise Wrong(f"the work ends with {calculations[-1].value if calculations else 'nothing'}, not {wanted}")
    if not ends_with_answer(lines[-1], problem.answer):
        return f"the last line '{lines[-1]}' does not end with the answer"
    return None


FAMILIES = {"mixed": mixed, "decimal": decimal}
CHECKS = {family: check for family in FAMILIES}
