"""Pairs of equations in two unknowns: their work, by elimination, and their name."""

from __future__ import annotations

from steps import Work

Row = tuple[int, int, int]  # a, b, c of ax+by=c


def solve_pair(first: Row, second: Row, letters: str, only_first: bool = False) -> tuple[Work, int, int]:
    """Elimination of the second unknown: a row times the other's coefficient of it, their difference, then back again.

    Coefficients 1 are written (1x-2y=3), so that every number that a step needs is there to be copied.
    """
    (a, b, c), (d, e, f) = first, second
    x, y = letters
    work = Work(f"{a}{x}{b:+}{y}={c}", f"{d}{x}{e:+}{y}={f}")
    coefficient = work.subtract(work.multiply(a, e), work.multiply(d, b))
    value = work.subtract(work.multiply(c, e), work.multiply(f, b))
    work.say(f"{coefficient}{x}={value}")
    first_root = _root(work, x, coefficient, value)
    if only_first:
        return work, first_root, 0
    taken = work.multiply(a, first_root)
    rest = work.subtract(c, taken)
    work.say(f"{b}{y}={rest}")
    second_root = _root(work, y, b, rest)
    return work, first_root, second_root


def _root(work: Work, letter: str, coefficient: int, value: int) -> int:
    root = value if coefficient == 1 else work.divide(value, coefficient)
    work.say(f"{letter}={root}")
    return root


def name_of(first: Row, second: Row) -> str:
    """The same for both orders of the equations."""
    return ";".join(",".join(map(str, row)) for row in sorted((first, second)))
