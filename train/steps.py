"""The work of a problem that calculates several things: its lines, the values found, and the names of the calculations.

What is small is one line; what is larger is a written calculation (work.py), done on magnitudes, with the sign on a line
of its own.
"""

from __future__ import annotations

from work import add_lines, div_lines, mul_lines, signed_lines, sub_lines


class Work:
    """Lines of work in order. Each calculation appends its lines and gives its value.

    keys: names of the written calculations among them, which are problems of another family.
    """

    def __init__(self, *lines: str):
        self.lines = list(lines)
        self.keys: list[str] = []

    def say(self, *lines: str) -> None:
        self.lines += lines

    def text(self) -> str:
        return "\n".join(self.lines)

    def add(self, a: int, b: int) -> int:
        if b < 0 and _is_two_digits(a, b):
            self.say(f"{a}+({b})={a + b}")
        elif b < 0 or a < 0:
            self._written(signed_lines(a, b), None)
        else:
            self._written(add_lines(a, b), f"add:{a}+{b}")
        return a + b

    def subtract(self, a: int, b: int) -> int:
        if b < 0 and _is_two_digits(a, b):
            self.say(f"{a}-({b})={a - b}")
        elif b < 0:
            self.say(f"{a}-({b})={a}+{-b}")
            self.add(a, -b)
        elif a < 0:
            self._written(signed_lines(a, -b), None)
        else:
            self._written(sub_lines(a, b), f"sub:{a}-{b}")
        return a - b

    def multiply(self, a: int, b: int) -> int:
        """a*b; a power of ten as b appends zeros."""
        if b >= 10 and str(b).strip("0") == "1":
            self.say(f"{a}*{b}={a * b}")
            return a * b
        if a >= 0 and b >= 0:
            self._written(mul_lines(a, b), f"mul:{a}*{b}")
            return a * b
        magnitudes = mul_lines(abs(a), abs(b))
        if len(magnitudes) > 1:
            self._written(magnitudes, f"mul:{abs(a)}*{abs(b)}")
        self.say(f"{a}*{bracketed(b)}={a * b}")
        return a * b

    def divide(self, a: int, b: int) -> int:
        """a/b without remainder."""
        magnitude, divisor = abs(a), abs(b)
        is_small = magnitude < 100 or (divisor <= 12 and magnitude <= 12 * divisor)
        if not is_small:
            self._written(div_lines(magnitude, divisor), f"div:{magnitude}/{divisor}")
        if is_small or a < 0 or b < 0:
            self.say(f"{a}/{bracketed(b)}={a // b}")
        return a // b

    def _written(self, lines: list[str], key: str | None) -> None:
        self.say(*lines)
        if len(lines) > 1 and key:
            self.keys.append(key)


def bracketed(number: int) -> str:
    """As the second operand of * or /, or after a sign."""
    return f"({number})" if number < 0 else str(number)


def _is_two_digits(a: int, b: int) -> bool:
    return abs(a) < 100 and abs(b) < 100
