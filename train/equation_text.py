"""How equations are written: by the work, and by people."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass
class Style:
    """How a person writes an equation: 4x+17=61, 4 * x + 17 = 61, ..."""

    plus: str
    minus: str
    equals: str
    times: str
    over: str

    def in_this_style(self, equation: str) -> str:
        """An equation as the work writes it, rewritten; the first sign of a side belongs to its number."""
        text = _PRODUCT.sub(rf"\1{self.times}\2", equation) if self.times else equation
        text = _MINUS.sub(rf"\1{self.minus}", text)
        return text.replace("+", self.plus).replace("=", self.equals).replace("/", self.over)


_PRODUCT = re.compile(r"(\d)([a-z(])")  # 4x, 4(x
_MINUS = re.compile(r"([\da-z)])-")  # between terms; a sign at the beginning stays

STYLES = [
    Style(f"{space}+{space}", f"{space}{minus}{space}", f"{space}={space}", times, over)
    for space, minus, times, over in (
        *[("", "-", "", "/")] * 3,
        *[(" ", "-", "", "/")] * 5,
        *[(" ", "-", "", " / ")] * 2,
        ("", "-", "*", "/"),
        (" ", "-", "*", "/"),
        (" ", "-", " * ", " / "),
        (" ", "-", "·", " ÷ "),
        (" ", "-", " · ", " : "),
        (" ", "−", "", "/"),
        (" ", "–", "", " ÷ "),
        (" ", "-", " × ", " ÷ "),
        (" ", "-", " ", "/"),
    )
] + [
    Style("+", "-", " = ", "", "/"),
    Style(" + ", " - ", "=", "", "/"),
    Style(" plus ", " minus ", " equals ", "", " divided by "),
    Style(" plus ", " minus ", " is ", " times ", " over "),
]
STYLES_WITH_TIMES = [style for style in STYLES if style.times.strip()]


def term(coefficient: int, letter: str) -> str:
    """4x, x, -x."""
    return {1: "", -1: "-"}.get(coefficient, str(coefficient)) + letter


def plus(number: int) -> str:
    """What a number is when it follows something: +17, -17, nothing for 0."""
    return f"+{number}" if number > 0 else str(number) if number else ""
