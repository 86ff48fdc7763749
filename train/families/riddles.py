"""Equations told as riddles of two or three steps ("I double my number and ..."): only for training, as part of `equation`."""

from __future__ import annotations

from equation_text import plus, term
from problem import Problem, Source
from steps import Work, isolate, move_constant
from storybook import Storybook

_RIDDLES = Storybook("riddle.txt")


class _Deed:
    """What is done to something: {do:it} is "double it" or "multiply it by 5"."""

    def __init__(self, short: str | None, verb: str, number: int):
        self.short, self.verb, self.number = short, verb, number

    def __format__(self, thing: str) -> str:
        return f"{self.short} {thing}" if self.short else f"{self.verb} {thing} by {self.number}"


def said(a: int) -> dict:
    """The ways to name a factor or a divisor from 1 to 12; questions use those that they like."""
    short = {2: "double", 3: "triple"}.get(a)
    twice = {2: "twice", 3: "three times"}.get(a, f"{a} times")
    halve = "halve" if a == 2 else None
    parts = "half,a third,a quarter,a fifth,a sixth,a seventh,an eighth,a ninth,a tenth,an eleventh,a twelfth"
    half = parts.split(",")[max(a, 2) - 2]
    return {
        "a": a,
        "do": _Deed(short, "multiply", a),
        "Do": _Deed(short and short.capitalize(), "Multiply", a),
        "do_past": _Deed(short and short + "d", "multiplied", a),
        "did": short + "d" if short else f"multiplied by {a}",
        "twice": twice,
        "Twice": twice.capitalize(),
        "cut": _Deed(halve, "divide", a),
        "Cut": _Deed(halve and "Halve", "Divide", a),
        "cut_past": _Deed(halve and "halved", "divided", a),
        "was_cut": "halved" if halve else f"divided by {a}",
        "half": half,
        "Half": half.capitalize(),
    }


_KINDS = (
    "over.plus over.plus over.minus bracket.minus bracket.minus sum.over minus.over self self.minus from from both.plus"
).split()


def riddle(source: Source) -> Problem:
    """A number told by more steps than `worded` has; only for training."""
    rng = source.rng
    kind = rng.choice(_KINDS)
    a = rng.randint(2, 3) if source.chance(0.5) else rng.randint(2, 12)
    b = rng.randint(1, 50) if source.chance(0.8) else rng.randint(51, 200)
    root, e = source.number(2), 0
    if kind in ("over.plus", "over.minus"):
        quotient = rng.randint(1, 40)
        b = -b if kind == "over.minus" and b < quotient else -rng.randint(0, quotient - 1) if "minus" in kind else b
        if b == 0:
            quotient, b = quotient + 3, -2
        c = quotient + b
        work = Work(f"x/{a}{plus(b)}={c}")
        move_constant(work, f"x/{a}", b, c)
        work.say(f"x/{a}={quotient}", f"x={quotient}*{a}")
        root = work.multiply(quotient, a)
        work.say(f"x={root}")
    elif kind == "bracket.minus":
        quotient = rng.randint(1, 40)
        c = a * quotient
        work = Work(f"{a}(x-{b})={c}", f"x-{b}={c}/{a}")
        work.divide(c, a)
        work.say(f"x-{b}={quotient}")
        root = isolate(work, "x", 1, *move_constant(work, "x", -b, quotient))
    elif kind in ("sum.over", "minus.over"):
        c = rng.randint(1, 40)
        b = -b if kind == "minus.over" else rng.randint(1, a * c)
        work = Work(f"(x{plus(b)})/{a}={c}", f"x{plus(b)}={c}*{a}")
        product = work.multiply(c, a)
        work.say(f"x{plus(b)}={product}")
        root = isolate(work, "x", 1, *move_constant(work, "x", b, product))
    elif kind in ("self", "self.minus"):
        sign = 1 if kind == "self" else -1
        c = (a + sign) * root
        work = Work(f"{a}x{'+' if sign > 0 else '-'}x={c}", f"{term(a + sign, 'x')}={c}")
        isolate(work, "x", a + sign, str(c), c)
    elif kind == "from":
        c = b
        b = root + c
        work = Work(f"{b}-x={c}", f"x={b}-{c}")
        work.subtract(b, c)
        work.say(f"x={root}")
    else:
        e = (a - 1) * root + b
        c = e
        work = Work(f"{a}x+{b}=x+{e}", f"{a}x-x={e}-{b}")
        value = work.subtract(e, b)
        work.say(f"{term(a - 1, 'x')}={value}")
        isolate(work, "x", a - 1, str(value), value)
    question = _RIDDLES.pick(source, kind).format(b=abs(b), c=c, e=e, **said(a))
    return work.problem("equation", question, str(root), work.lines[0])
