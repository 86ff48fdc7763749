"""Expressions with two brackets or two products, and such that are said in words: only for training, as part of `mixed`."""

from __future__ import annotations

from expression import value_of
from problem import Source
from storybook import Storybook

_SPOKEN = Storybook("spoken.txt")
_SHAPES = (
    "(-)*(-) (+)*(+) (+)*(-) (-)*(+) (+)/(*) (-)/(-) (+)/(+) (+)/(-) (-)/(+) (*)/(+) (*)/(-) (+)-(-) (-)-(-) (+)-(+) (-)+(-)"
    " /+* /-* */+ */- /+/ *+* *-* *+*-n *-*+n /+*-n n*(+)-n n*(-)+n n+*-/ n-*+/ (+)*n-n (+)*n+n (-)*n-(+) n-(+)*n n*n*n"
    " (+)*(-)+n (+)*(-)-n n-(-)*(-) (+)/n+* (-)/n*n n*(+)/n n+(-)/n n/(+) n/(-) */n */n+n (+)*(+)/n"
).split()


def bracketed_task(source: Source) -> tuple[list[str], str | None]:
    """The tokens of an expression, and how it is said in words; None when it shall be written."""
    kind = source.rng.random()
    shape = source.rng.choice(_SHAPES)
    for _ in range(80):  # until the quotients are even; whoever asks makes sure
        tokens, words = (
            (_shaped(source, shape), None) if kind < 0.5 else _in_steps(source) if kind < 0.72 else _in_words(source)
        )
        if _is_whole(tokens):
            break
    return tokens, words


def _is_whole(tokens: list[str]) -> bool:
    try:
        return value_of("".join(tokens)).denominator == 1
    except ValueError:  # a divisor is 0
        return False


def _small(source: Source) -> str:
    return str(source.rng.randint(2, 12) if source.chance(0.6) else source.rng.randint(2, 60))


def _two(source: Source, sign: str) -> tuple[str, str]:
    """Numbers for a sign, the larger one first where it matters; a quotient is even."""
    if sign == "/":
        b, quotient = source.rng.randint(2, 12), source.rng.randint(1, 15)
        return str(b * quotient), str(b)
    a, b = int(_small(source)), int(_small(source))
    if sign == "-":
        a, b = max(a, b), min(a, b)
        return str(a + (a == b)), str(b)
    if sign == "*" and a > 12 and b > 12:
        b = source.rng.randint(2, 12)
    return str(a), str(b)


def _shaped(source: Source, shape: str) -> list[str]:
    """`(+)*n` is a sum in brackets times a number; a sign that nothing stands beside has numbers of its own."""
    tokens: list[str] = []
    needs_number = True
    for mark in shape:
        if mark in "()":
            tokens.append(mark)
        elif mark == "n":
            tokens.append(_small(source))
        elif needs_number:
            a, b = _two(source, mark)
            tokens += [a, mark, b]
        else:
            tokens.append(mark)
        needs_number = mark == "(" or mark in "+-*/" and not needs_number
    return tokens


# -- in words ----------------------------------------------------------------------------------------------------------------

_GROUPS = {  # with a noun in front, so that they do not run into the sign
    "+": ("the sum of {a} and {b}", "the sum of {a} and {b}", "the total of {a} and {b}"),
    "-": ("the difference of {a} and {b}", "the difference between {a} and {b}"),
    "*": ("the product of {a} and {b}",),
    "/": ("the quotient of {a} and {b}", "the quotient {a} over {b}"),
}


def _in_words(source: Source) -> tuple[list[str], str]:
    """Two groups, or a group and a number, with a sign between them."""
    rng = source.rng
    sign = rng.choices("+-*/", (25, 25, 35, 15))[0]
    inner = "+-" if sign == "*" else "+-*" if sign == "/" else "*/"
    sides = []
    lone = rng.randrange(2) if source.chance(0.4) else None
    for side in range(2):
        if side == lone:
            number = _small(source)
            sides.append(([number], number))
            continue
        own = rng.choice(inner)
        a, b = _two(source, own)
        tokens = [a, own, b]
        sides.append((["(", *tokens, ")"] if sign in "*/" else tokens, rng.choice(_GROUPS[own]).format(a=a, b=b)))
    (left, left_text), (right, right_text) = sides
    texts = {"l": left_text, "r": right_text, "comma": "," if lone == 1 else ""}
    name = {"+": "add", "-": "sub", "*": "mul", "/": "div"}[sign]
    phrase = _SPOKEN.pick(source, f"words.{name}").format(**texts)
    frame = _SPOKEN.pick(source, "words.frame" if phrase[0].islower() or phrase[0].isdigit() else "words.order")
    return [*left, sign, *right], _capital(source, frame.format(x=phrase))


def _in_steps(source: Source) -> tuple[list[str], str]:
    """Add 5 and 7, multiply by 3, then subtract 6."""
    rng = source.rng
    sign = rng.choices("+-*/", (35, 25, 30, 10))[0]
    a, b = _two(source, sign)
    tokens = [a, sign, b]
    starts = rng.random() < 0.5
    said = [_SPOKEN.pick(source, f"start.{_NAMES[sign]}").format(a=a, b=b)] if starts else []
    if not starts:
        said = [_SPOKEN.pick(source, "start").format(a=a), _SPOKEN.pick(source, f"then.{_NAMES[sign]}").format(b=b)]
    for _ in range(rng.choices((1, 2, 3), (50, 38, 12))[0]):
        last, sign = sign, rng.choices("+-*/", (30, 30, 25, 15))[0]
        number = str(rng.randint(2, 12)) if sign in "*/" else _small(source)
        if sign in "*/" and last in "+-":
            tokens = ["(", *tokens, ")"]
        tokens += [sign, number]
        said.append(_SPOKEN.pick(source, f"then.{_NAMES[sign]}").format(b=number))
    if source.chance(0.35):
        said[-1] = "then " + said[-1]
    joint = rng.choice((", ", ", ", ", then ", "; ", " and then ")) if len(said) < 4 else ", "
    text = said[0] + (joint if "then" not in said[-1] else ", ") + ", ".join(said[1:])
    return tokens, _capital(source, _SPOKEN.pick(source, "steps.frame").format(x=text))


_NAMES = {"+": "add", "-": "sub", "*": "mul", "/": "div"}


def _capital(source: Source, text: str) -> str:
    return text[:1].upper() + text[1:] if source.chance(0.8) else text
