"""The exact value of a written expression, for those who check work: 4(x+3)/2 with x=5 is 16."""

from __future__ import annotations

import re
from fractions import Fraction

_TOKEN = re.compile(r"\d+\.\d+|\d+|[a-z]|[-+*/()]")


def value_of(text: str, letters: dict[str, Fraction] | None = None) -> Fraction:
    """Raises ValueError for what is not an expression; a letter without a value is not one."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", "") or not tokens:
        raise ValueError(f"'{text}' is not an expression")
    reader = _Reader(tokens, letters or {})
    value = reader.sum()
    if reader.next is not None:
        raise ValueError(f"'{text}' goes on after its end")
    return value


def relation_holds(text: str, letters: dict[str, Fraction] | None = None) -> bool:
    """Whether a=b, a<b or a>b is true. Raises ValueError for what is no relation."""
    parts = re.split("([=<>])", text)
    if len(parts) != 3:
        raise ValueError(f"'{text}' is not a relation")
    left, right = value_of(parts[0], letters), value_of(parts[2], letters)
    return left == right if parts[1] == "=" else left < right if parts[1] == "<" else left > right


class _Reader:
    """Recursive descent: sum > product (also by juxtaposition) > sign > atom."""

    def __init__(self, tokens: list[str], letters: dict[str, Fraction]):
        self.tokens = tokens
        self.letters = letters
        self.at = 0

    @property
    def next(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self) -> str:
        if self.next is None:
            raise ValueError("an expression ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self) -> Fraction:
        value = self.product()
        while self.next in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        return value

    def product(self) -> Fraction:
        value = self.signed()
        while self.next is not None and self.next not in "+-)":
            if self.next == "/":
                self.take()
                divisor = self.signed()
                if divisor == 0:
                    raise ValueError("division by zero")
                value /= divisor
            else:
                if self.next == "*":
                    self.take()
                value *= self.signed()
        return value

    def signed(self) -> Fraction:
        if self.next == "-":
            self.take()
            return -self.signed()
        token = self.take()
        if token == "(":
            value = self.sum()
            if self.take() != ")":
                raise ValueError("a bracket is not closed")
            return value
        if token in self.letters:
            return Fraction(self.letters[token])
        if not token[0].isdigit():
            raise ValueError(f"'{token}' has no value")
        return Fraction(token)
