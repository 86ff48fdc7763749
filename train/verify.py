"""Checks the written work of a problem: whether every line is true, follows from the ones before it, and gives the answer.

Shares nothing with the code that writes the work: it reads the lines as text and works out what each one should say.
`verify(problem)` gives None when the work is right, else what is wrong. A module of families has CHECKS, a dict from a family's name to
such a function.
"""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from fractions import Fraction

from problem import Problem


class Wrong(ValueError):
    """What is wrong with a line of work."""


@dataclass
class Calculation:
    """One thing that the work calculated: `text` is its first line up to the result, e.g. "347+589"."""

    text: str
    value: Fraction
    remainder: int = 0  # of a long division, where `value` is the whole quotient


def verify(problem: Problem) -> str | None:
    """None when the work is right, else what is wrong."""
    try:
        return _checks()[problem.family](problem)
    except ValueError as wrong:
        return str(wrong)


def ends_with_answer(line: str, answer: str) -> bool:
    """Whether the last line of the work ends with the answer, written as results are: after =, > or a space."""
    if line == answer or line == f"={answer.replace(' remainder ', ' r ')}":
        return True
    return line.endswith(answer) and line[-len(answer) - 1] in "=> :"


def read_work(lines: list[str], other=None) -> list[Calculation]:
    """All calculations of the work in order. Raises Wrong at the first line that is not right.

    A line that is neither a step of written calculation nor arithmetic is Wrong unless other(line) is true.
    """
    reader = _Reader(lines)
    found = []
    while not reader.at_end():
        line = reader.line()
        restated = re.fullmatch(r"=(-?[\d./]+)", line)
        if restated and found:
            if evaluate(restated[1]) != found[-1].value:
                raise Wrong(f"'{line}' restates {found[-1].text}, which is {found[-1].value}")
            reader.skip()
            continue
        calculation = _calculation(reader)
        if calculation:
            found.append(calculation)
        elif other and other(line):
            reader.skip()
        else:
            raise Wrong(f"'{line}' is no step of a calculation")
    return found


# -- arithmetic on one line ---------------------------------------------------------------------------------------------


def evaluate(expression: str) -> Fraction:
    """The exact value of numbers (3, 3.5) joined by + - * / and parentheses. Raises Wrong when it is anything else."""
    tokens = re.findall(r"\d+(?:\.\d+)?|[-+*/()]|\S", expression)
    position = 0

    def peek() -> str:
        return tokens[position] if position < len(tokens) else ""

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1] if position <= len(tokens) else ""

    def factor() -> Fraction:
        token = take()
        if token == "-":
            return -factor()
        if token == "(":
            value = total()
            if take() != ")":
                raise Wrong(f"a parenthesis is not closed in '{expression}'")
            return value
        if not token[:1].isdigit():
            raise Wrong(f"'{expression}' is no arithmetic")
        return Fraction(token)

    def product() -> Fraction:
        value = factor()
        while peek() in ("*", "/"):
            if take() == "*":
                value *= factor()
            else:
                divisor = factor()
                if divisor == 0:
                    raise Wrong(f"division by zero in '{expression}'")
                value /= divisor
        return value

    def total() -> Fraction:
        value = product()
        while peek() in ("+", "-"):
            value = value + product() if take() == "+" else value - product()
        return value

    value = total()
    if position < len(tokens):
        raise Wrong(f"'{expression}' is no arithmetic")
    return value


def is_arithmetic(text: str) -> bool:
    """Whether the text is made of nothing but numbers, operators and relations, with at least one relation."""
    return (
        bool(re.fullmatch(r"[\d.+*/()=<> -]+", text))
        and bool(re.search(r"\d", text))
        and bool(re.search(r"[=<>]", text))
    )


def check_statement(statement: str) -> Fraction:
    """Checks expressions joined by =, < or > (`5-1=4<7`) and gives the value of the last one."""
    parts = re.split(r"([=<>])", statement)
    values = [evaluate(part) for part in parts[::2]]
    for relation, left, right in zip(parts[1::2], values, values[1:]):
        holds = left == right if relation == "=" else left < right if relation == "<" else left > right
        if not holds:
            raise Wrong(f"'{statement}' is false")
    return values[-1]


# -- written calculation over several lines -----------------------------------------------------------------------------


class _Reader:
    def __init__(self, lines: list[str]):
        self.lines = lines
        self.position = 0

    def at_end(self) -> bool:
        return self.position >= len(self.lines)

    def line(self) -> str:
        if self.at_end():
            raise Wrong("the work stops in the middle of a calculation")
        return self.lines[self.position]

    def skip(self) -> None:
        self.position += 1

    def take(self) -> str:
        line = self.line()
        self.skip()
        return line

    def expect(self, wanted: str) -> None:
        line = self.take()
        if line != wanted:
            raise Wrong(f"'{line}' should be '{wanted}'")


_TURNED = re.compile(r"(-?\d+[-+]\d+)=(-\()?(\d+)([-+])(\d+)(\))?")
_HEADER = re.compile(r"(\d+)([-+*/])(\d+)")


def _calculation(reader: _Reader) -> Calculation | None:
    """Reads one calculation: columns under a header, or statements on one line; None when the line is neither."""
    line = reader.line()
    header = _HEADER.fullmatch(line)
    if header:
        reader.skip()
        a, b = int(header[1]), int(header[3])
        if header[2] == "/":
            return _read_division(reader, a, b)
        {"+": _read_sum, "-": _read_difference, "*": _read_product}[header[2]](reader, a, b)
        return Calculation(line, evaluate(line))
    turned = _TURNED.fullmatch(line)
    if turned:
        reader.skip()
        value = check_statement(line)
        a, b = int(turned[3]), int(turned[5])
        if (turned[2] is None) != (turned[6] is None):
            raise Wrong(f"'{line}' has one parenthesis")
        restated = turned[2] is not None
        if turned[4] == "+":
            _read_sum(reader, a, b)
        else:
            _read_difference(reader, a, b, restated)
        if restated:
            reader.expect(f"={value}")
        return Calculation(turned[1], value)
    statements = line.split(",")
    if not all(is_arithmetic(statement) for statement in statements):
        return None
    reader.skip()
    for statement in statements:
        value = check_statement(statement)
    return Calculation(re.split("[=<>]", statements[-1])[0], value)


def _digit(number: int, place: int) -> int:
    return number // 10**place % 10


def _result_so_far(value: int, place: int, width: int) -> str:
    """The lowest place+1 digits, or all of the value in the last column."""
    return str(value).zfill(width) if place + 1 == width else str(value % 10 ** (place + 1)).zfill(place + 1)


def _read_sum(reader: _Reader, a: int, b: int) -> None:
    width = max(len(str(a)), len(str(b)))
    for place in range(width):
        below = 10**place
        carry = (a % below + b % below) // below
        terms = f"{_digit(a, place)}+{_digit(b, place)}" + ("+1" if carry else "")
        reader.expect(f"{terms}={evaluate(terms)}->{_result_so_far(a + b, place, width)}")


def _read_difference(reader: _Reader, a: int, b: int, restate: bool = False) -> None:
    """Columns of a-b; `restate`: the caller expects a last line of its own."""
    if a < b:
        raise Wrong(f"columns of {a}-{b}, which is negative")
    width = len(str(a))
    for place in range(width):
        line = reader.take()
        upper, lower = _digit(a, place), _digit(b, place)
        below = 10**place
        has_lent = a % below < b % below
        must_borrow = a % (below * 10) < b % (below * 10)
        steps, arrow, so_far = line.partition("->")
        statements = steps.split(",")
        for statement in statements:
            check_statement(statement)
        if has_lent and upper == 0:
            wanted, left = ["0-1<0", "10-1=9"], 9
        elif has_lent:
            left = upper - 1
            wanted = [f"{upper}-1={left}" + (f"<{lower}" if must_borrow else "")]
        else:
            left = upper
            wanted = [f"{upper}<{lower}"] if must_borrow else []
        if must_borrow and not (has_lent and upper == 0):  # a column of 0 that lent has its ten already
            left += 10
        wanted.append(f"{left}-{lower}={_digit(a - b, place)}")
        if statements != wanted or so_far != str((a - b) % (below * 10)).zfill(place + 1):
            raise Wrong(f"'{line}' is not column {place + 1} of {a}-{b}")
    if not restate and len(str(a - b)) < width:
        reader.expect(f"={a - b}")


def _read_columns_of_product(reader: _Reader, a: int, digit: int, zeros: int) -> None:
    width = len(str(a))
    for place in range(width):
        carry = a % 10**place * digit // 10**place
        terms = f"{_digit(a, place)}*{digit}" + (f"+{carry}" if carry else "")
        reader.expect(f"{terms}={evaluate(terms)}->{_result_so_far(a * digit, place, width)}{'0' * zeros}")


def _read_product(reader: _Reader, a: int, b: int) -> None:
    if b < 10:
        return _read_columns_of_product(reader, a, b, 0)
    partials = []
    for zeros in range(len(str(b))):
        digit = _digit(b, zeros)
        task = f"{a}*{digit}{'0' * zeros}"
        value = a * digit * 10**zeros
        if digit == 0:
            reader.expect(f"{task}=0")
        elif a < 100:
            reader.expect(f"{task}={value}")
        else:
            reader.expect(task)
            _read_columns_of_product(reader, a, digit, zeros)
        if digit:
            partials.append(value)
    total = partials[0]
    for partial in partials[1:]:
        task = f"{total}+{partial}"
        total += partial
        if reader.line() == f"{task}={total}":
            reader.skip()
        else:
            reader.expect(task)
            _read_sum(reader, total - partial, partial)


def _read_division(reader: _Reader, a: int, b: int) -> Calculation:
    if b == 0:
        raise Wrong(f"{a}/{b} divides by zero")
    digits = str(a)
    first = next((k for k in range(1, len(digits)) if int(digits[:k]) >= b), len(digits))
    for used in range(first, len(digits) + 1):
        before = int(digits[: used - 1]) % b if used > first else int(digits[: used - 1] or 0)
        part = before * 10 + int(digits[used - 1])
        times = int(digits[:used]) // b - (int(digits[: used - 1] or 0) // b) * 10
        steps = f"{part}:{b}*{times}={b * times},{part}-{b * times}={part - b * times}"
        reader.expect(f"{steps}->{int(digits[:used]) // b}")
    remainder = a % b
    places = 0
    while remainder and not reader.line().startswith("="):  # behind the point a 0 is brought down each time
        places += 1
        part, times = remainder * 10, remainder * 10 // b
        remainder = part - b * times
        so_far = str(a * 10**places // b).zfill(places + 1)
        steps = f"{part}:{b}*{times}={b * times},{part}-{b * times}={remainder}"
        reader.expect(f"{steps}->{so_far[:-places]}.{so_far[-places:]}")
    if places:
        if remainder:
            raise Wrong(f"{a}/{b} is not divided to the end")
        reader.expect(f"={so_far[:-places]}.{so_far[-places:]}")
        return Calculation(f"{a}/{b}", Fraction(a, b))
    reader.expect(f"={a // b} r {remainder}" if remainder else f"={a // b}")
    return Calculation(f"{a}/{b}", Fraction(a // b), remainder)


# -- the families' own checks -------------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=1)
def _checks() -> dict:
    from families import MODULES  # here, since the families' own checks need this module

    checks = {}
    for module in MODULES:
        checks.update(importlib.import_module(f"families.{module}").CHECKS)
    return checks
