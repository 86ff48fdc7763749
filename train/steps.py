"""The work of a problem that calculates several things: its lines, and the values found.

What is small is one line; what is larger is a written calculation (work.py), done on magnitudes, with the sign on a line
of its own.
"""

from __future__ import annotations

from equation_text import plus, term
from problem import Problem
from work import contained_keys, div_lines, is_small, mul_lines, signed_lines, sub_lines


class Work:
    """Lines of work in order. Each calculation appends its lines and gives its value."""

    def __init__(self, *lines: str):
        self.lines = list(lines)

    def say(self, *lines: str) -> None:
        self.lines += lines

    def problem(self, family: str, question: str, answer: str, name: str) -> Problem:
        """The question with this work; `name` is its name within the family."""
        return Problem.ask(
            family, question, "\n".join(self.lines), answer, [f"{family}:{name}", *contained_keys(self.lines)]
        )

    def add(self, a: int, b: int) -> int:
        if b < 0 and is_small(a, b):
            self.say(f"{a}+({b})={a + b}")
        else:
            self.say(*signed_lines(a, b))
        return a + b

    def subtract(self, a: int, b: int) -> int:
        if b < 0 and is_small(a, b) or b == 0:
            self.say(f"{a}-{bracketed(b)}={a - b}")
        elif b < 0:
            self.say(f"{a}-({b})={a}+{-b}")
            self.add(a, -b)
        else:
            self.say(*(sub_lines(a, b) if a >= 0 else signed_lines(a, -b)))
        return a - b

    def multiply(self, a: int, b: int) -> int:
        """a*b, in this order where it is one line; a power of ten as b appends zeros."""
        lines = mul_lines(abs(a), abs(b))
        is_line = len(lines) == 1 or (b >= 10 and str(b).strip("0") == "1")
        if not is_line:
            self.say(*lines)
        if is_line or a < 0 or b < 0:
            self.say(f"{a}*{bracketed(b)}={a * b}")
        return a * b

    def divide(self, a: int, b: int) -> int:
        """a/b without remainder."""
        magnitude, divisor = abs(a), abs(b)
        is_line = magnitude < 100 or (divisor <= 12 and magnitude <= 12 * divisor)
        if not is_line:
            self.say(*div_lines(magnitude, divisor))
        if is_line or a < 0 or b < 0:
            self.say(f"{a}/{bracketed(b)}={a // b}")
        return a // b


def bracketed(number: int) -> str:
    """As the second operand of * or /, or after a sign."""
    return f"({number})" if number < 0 else str(number)


def isolate(work: Work, letter: str, a: int, right: str, value: int) -> int:
    """From ax=value on; `right` is how the value is already written at the end of the work."""
    if a == 1:
        if right != str(value):
            work.say(f"{letter}={value}")
        return value
    if right != str(value):
        work.say(f"{term(a, letter)}={value}")
    work.say(f"{letter}={value}/{bracketed(a)}")
    root = work.divide(value, a)
    work.say(f"{letter}={root}")
    return root


def move_constant(work: Work, left: str, b: int, c: int) -> tuple[str, int]:
    """From left+b=c to left=c-b, calculated; gives the right side as written last and its value."""
    if b == 0:
        return str(c), c
    right = f"{c}{plus(-b)}"
    work.say(f"{left}={right}")
    return right, work.subtract(c, b) if b > 0 else work.add(c, -b)
