"""Fractions and percentages: `fraction` and `percent`."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from fraction_check import check_fraction, check_percent
from phrasings import in_words, load_phrasings
from problem import Problem, Source
from steps import Work
from storybook import Storybook

FRACTIONS = load_phrasings("fraction")
PERCENTAGES = load_phrasings("percent")
_CHANGES = Storybook("percent_change.txt")  # for training only

Pair = tuple[int, int]  # numerator, denominator, as written


# -- fractions ----------------------------------------------------------------------------------------------------------


def written(pair: Pair) -> str:
    return f"{pair[0]}/{pair[1]}"


def gcd_lines(a: int, b: int) -> list[str]:
    """Euclid's algorithm. A larger number loses a digit's multiple of the smaller one (or ten times it, ...).

    gcd(38,24) | 38:24*1=24,38-24=14 | 24:14*1=14,24-14=10 | ... | 4:2*2=4,4-4=0 | gcd=2
    """
    lines = [f"gcd({a},{b})"]
    large, small = max(a, b), min(a, b)
    while small > 1:
        while large >= small:
            times = large // small
            times -= times % 10 ** (len(str(times)) - 1)  # 26 is taken as 20, then as 6
            rest = large - small * times
            lines.append(f"{large}:{small}*{times}={small * times},{large}-{small * times}={rest}")
            large = rest
        if large == 0:
            break
        large, small = small, large
    return lines + [f"gcd={small}"]


def reduce(work: Work, numerator: int, denominator: int) -> str:
    """Brings a fraction (denominator > 0) to lowest terms; its text is the last line and the result."""
    if numerator == 0:
        result = "0"
    elif denominator == 1:
        result = str(numerator)
    else:
        divisor = math.gcd(numerator, denominator)
        work.say(*gcd_lines(abs(numerator), denominator))
        if divisor > 1:
            numerator = work.divide(numerator, divisor)
            denominator = work.divide(denominator, divisor)
        result = str(numerator) if denominator == 1 else f"{numerator}/{denominator}"
    work.say(f"={result}")
    return result


def some_fraction(source: Source) -> Pair:
    """Mostly proper, numbers up to 12."""
    rng = source.rng
    denominator = rng.randint(2, 12)
    return rng.randint(1, denominator - 1 if source.chance(0.8) else 12), denominator


def operate(source: Source) -> Problem:
    """a/b + - * / c/d."""
    rng = source.rng
    p, q = some_fraction(source), some_fraction(source)
    sign = rng.choice("++--*/")
    if sign in "+-" and source.chance(0.2):
        q = (rng.randint(1, p[1] - 1), p[1])
    elif source.chance(0.1):
        q = (rng.randint(1, 12), 1)
        if source.chance(0.5):
            p, q = q, p
    (a, b), (c, d) = p, q
    if sign in "+-":
        work = Work(f"{a}/{b}{sign}{c}/{d}")
        combine = work.add if sign == "+" else work.subtract
        if b == d:
            answer = reduce(work, combine(a, c), b)
        else:
            numerators = work.multiply(a, d), work.multiply(c, b)
            denominator = work.multiply(b, d)
            answer = reduce(work, combine(*numerators), denominator)
    else:
        work = Work(f"({a}/{b})*({c}/{d})" if sign == "*" else f"({a}/{b})/({c}/{d})=({a}/{b})*({d}/{c})")
        if sign == "/":
            c, d = d, c
        answer = reduce(work, work.multiply(a, c), work.multiply(b, d))
    name = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}[sign]
    if source.chance(0.45):
        say = said if source.chance(0.12) else _as_operand
        question = source.phrase(*FRACTIONS[name]).format(p=say(p), q=say(q))
    else:
        expression = _expression(source, _as_operand(p), sign, _as_operand(q))
        question = source.phrase(*FRACTIONS["calculate"]).format(e=expression)
    p, q = (max(p, q), min(p, q)) if sign in "+*" else (p, q)
    return work.problem("fraction", question, answer, f"{written(p)}{sign}{written(q)}")


def _as_operand(pair: Pair) -> str:
    return str(pair[0]) if pair[1] == 1 else written(pair)


_PARTS = "half third quarter fifth sixth seventh eighth ninth tenth eleventh twelfth".split()


def said(pair: Pair) -> str:
    """A fraction in words: "three quarters"; numbers up to 19/12."""
    numerator, denominator = pair
    if denominator == 1:
        return in_words(numerator)
    part = _PARTS[denominator - 2]
    if numerator == 1:
        return "half" if denominator == 2 else f"one {part}"
    return f"{in_words(numerator)} {'halves' if denominator == 2 else part + 's'}"


SIGNS = {"+": ["+"], "-": ["-", "-", "-", "−"], "*": ["*", "*", "×", "·", "x"], "/": ["/", ":", "÷", "÷"]}


def _expression(source: Source, first: str, sign: str, second: str) -> str:
    """a/b + c/d in one of the ways to write it; a division is never 3/4/5/6, which means something else."""
    shown = source.rng.choice(SIGNS[sign])
    if sign in "*/" and source.chance(0.25):
        first, second = f"({first})" if "/" in first else first, f"({second})" if "/" in second else second
    elif shown == "/":
        shown = "÷"
    space = "" if shown != "x" and source.chance(0.3) else " "
    return f"{first}{space}{shown}{space}{second}"


def simplify(source: Source) -> Problem:
    rng = source.rng
    factor = 1 if source.chance(0.08) else rng.randint(2, 12)
    numerator, denominator = rng.randint(1, 144 // factor), rng.randint(2, 144 // factor)
    if source.chance(0.85):
        numerator, denominator = min(numerator, denominator), max(numerator, denominator)
    pair = numerator * factor, denominator * factor
    work = Work()
    answer = reduce(work, *pair)
    question = source.phrase(*FRACTIONS["simplify"]).format(p=written(pair))
    return work.problem("fraction", question, answer, f"simplify {written(pair)}")


def compare(source: Source) -> Problem:
    p, q = some_fraction(source), some_fraction(source)
    if p == q:
        q = (q[0], q[1] - 1 if q[1] > 2 else 3)
    left, right = p[0] * q[1], q[0] * p[1]
    sign = "<" if left < right else ">" if left > right else "="
    work = Work()
    work.multiply(p[0], q[1])
    work.multiply(q[0], p[1])
    work.say(f"{left}{sign}{right}", f"{written(p)}{sign}{written(q)}")
    kind = source.rng.choice(
        ("larger", "larger", "smaller", "is larger", "is smaller", "is equal", "which sign")
    )
    if kind == "which sign":
        answer = f"{written(p)} {sign} {written(q)}"
    elif kind.startswith("is "):
        claimed = {"is larger": ">", "is smaller": "<", "is equal": "="}[kind]
        answer = "yes" if sign == claimed else "no"
        work.say(f"{written(p)}{claimed}{written(q)}? {written(p)}{sign}{written(q)}: {answer}")
    else:
        answer = "equal" if sign == "=" else written(p if (sign == ">") == (kind == "larger") else q)
        work.say(f" {kind}: {answer}" if answer != "equal" else " both: equal")
    question = source.phrase(*FRACTIONS[kind]).format(p=written(p), q=written(q))
    return work.problem("fraction", question, answer, f"{written(max(p, q))}?{written(min(p, q))}")


def part_of(source: Source) -> Problem:
    """3/4 of 60."""
    rng = source.rng
    denominator = rng.randint(2, 12)
    numerator = (
        rng.randint(1, denominator - 1)
        if source.chance(0.9)
        else rng.randint(denominator + 1, 2 * denominator - 1)
    )
    whole = denominator * rng.randint(1, rng.choice((12, 30, 100)))
    work = Work()
    product = work.multiply(whole, numerator)
    answer = str(work.divide(product, denominator))
    shown = f"{numerator}/{denominator}"
    if source.chance(0.25):
        shown = said((numerator, denominator))
        if shown.startswith("one ") and source.chance(0.6):
            shown = f"a{'n' if denominator in (8, 11) else ''} {shown[4:]}"
    question = source.phrase(*FRACTIONS["of"]).format(p=shown, n=whole)
    return work.problem("fraction", question, answer, f"{numerator}/{denominator} of {whole}")


def decimal(source: Source) -> Problem:
    """3/8 as 0.375, by long division beyond the point."""
    rng = source.rng
    denominator = rng.choice((2, 4, 4, 5, 5, 8, 8, 10, 16, 20, 20, 25, 25, 40, 50, 100))
    numerator = (
        rng.randint(1, denominator - 1)
        if source.chance(0.75)
        else rng.randint(denominator + 1, 3 * denominator - 1)
    )
    lines = [f" decimal {numerator}/{denominator}"]
    quotient, rest = "", numerator
    while True:
        times = rest // denominator
        taken = denominator * times
        quotient += str(times)
        lines.append(f"{rest}:{denominator}*{times}={taken},{rest}-{taken}={rest - taken}->{quotient}")
        if rest == taken:
            break
        quotient += "" if "." in quotient else "."
        rest = (rest - taken) * 10
    lines.append(f"={quotient}")
    question = source.phrase(*FRACTIONS["decimal"]).format(p=f"{numerator}/{denominator}")
    return Work(*lines).problem("fraction", question, quotient, f"decimal {numerator}/{denominator}")


FRACTION_KINDS = (operate,) * 11 + (simplify,) * 3 + (compare,) * 3 + (part_of,) * 3 + (decimal,) * 2


def fraction(source: Source) -> Problem:
    return source.rng.choice(FRACTION_KINDS)(source)


# -- percentages --------------------------------------------------------------------------------------------------------


def some_rate(source: Source) -> tuple[str, int, int]:
    """X of X%: its text, and X as a whole number over 100 or 1000: ("12.5", 125, 1000)."""
    rng = source.rng
    choice = rng.random()
    if choice < 0.1:
        tenths = rng.choice((5, 15, 25, 25, 35, 45, 55, 75, 75, 105, 125, 125, 175, 225, 375, 625))
        return f"{tenths / 10:g}", tenths, 1000
    if choice < 0.3:
        percent = rng.choice((5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 90, 100, 110, 120, 125, 150, 200))
    else:
        percent = rng.randint(1, 100)
    return str(percent), percent, 100


def as_decimal(value: Fraction) -> str:
    """A finite decimal without trailing zeros."""
    for places in range(9):
        if value * 10**places == int(value * 10**places):
            digits = str(abs(int(value * 10**places))).zfill(places + 1)
            whole, after = digits[: len(digits) - places], digits[len(digits) - places :]
            return ("-" if value < 0 else "") + whole + (f".{after}" if after else "")
    raise ValueError(f"{value} is not a short decimal")


_MONEY = ("$", "$", "$", "€", "£")
_NO_MONEY = re.compile(  # what such a question counts is no money, or its unit is there already
    "dollar|euro|people|student|voter|alcohol|litre|unit|page|seat|point|part|car|lamp|member|children|number|town|=|km| ml|"
    "worker|guest|eggs|trees|houses|dogs|letters|emails|orders|calls|tries|attempts|shots|battery|tank|disk|bottle"
)


# Such a question counts something that comes whole.
_COUNTS = re.compile("people|student|voter|seat|page|car|lamp|member|children|town|unit|how many are")


def _ask(source: Source, kind: str, is_whole: bool = True, **numbers) -> str:
    """A question about these numbers, now and then with money, thousands marked by commas, or the rate in words.

    is_whole: whether the result is a whole number, as that of a question of counting has to be.
    """
    template = source.phrase(*PERCENTAGES[kind])
    while not is_whole and _COUNTS.search(template):
        template = source.phrase(*PERCENTAGES[kind])
    style = source.rng.random()
    if style < 0.12 and not _NO_MONEY.search(template):
        sign = source.rng.choice(_MONEY)
        numbers = {name: number if name == "x" else f"{sign}{number}" for name, number in numbers.items()}
    elif style > 0.88:
        numbers = {name: number if name == "x" else f"{number:,}" for name, number in numbers.items()}
    rate = numbers.get("x")
    if rate and "{x} percent" in template and source.chance(0.15) and str(rate).isdigit() and int(rate) < 100:
        numbers["x"] = in_words(int(rate))
    return template.format(**numbers)


def _has_two_places(value: Fraction) -> bool:
    return (value * 100).denominator == 1


def _finish(work: Work, total: int, scale: int) -> str:
    answer = as_decimal(Fraction(total, scale))
    work.say(f"{total}/{scale}={answer}")
    return answer


def percent_of(source: Source) -> Problem:
    while True:
        text, rate, scale = some_rate(source)
        base = max(1, source.number(4 if scale == 100 else 3, 2) if source.chance(0.9) else source.number(1))
        if source.chance(0.3):
            base = base // 10 * 10 or 10
        if _has_two_places(Fraction(rate * base, scale)):
            break
    work = Work()
    answer = _finish(work, work.multiply(base, rate), scale)
    question = _ask(source, "of", "." not in answer, x=text, y=base)
    return work.problem("percent", question, answer, f"{text}% of {base}")


def percent_change(source: Source) -> Problem:
    """Y increased or decreased by X%: X% of Y is added to or taken from Y before the division by 100."""
    is_increase = source.chance(0.5)
    while True:
        text, rate, scale = some_rate(source)
        base = max(1, source.number(4 if rate < 10 or rate % 10 == 0 and scale == 100 else 3, 2))
        if source.chance(0.4):
            base = base // 10 * 10 or 10
        if _has_two_places(Fraction(rate * base, scale)) and (is_increase or rate < scale):
            break
    work = Work()
    if is_increase:
        part = work.multiply(base, rate)
        whole = work.multiply(base, scale)
        total = work.add(whole, part)
    else:
        left = scale - rate
        work.say(f"{scale}-{rate}={left}")
        total = work.multiply(base, left)
    answer = _finish(work, total, scale)
    kind = "increase" if is_increase else "decrease"
    question = _ask(source, kind, "." not in answer, x=text, y=base)
    return work.problem("percent", question, answer, f"{base} {kind} {text}%")


def what_percent(source: Source) -> Problem:
    """What percent of 80 is 20?"""
    base, part, percent = _base_and_part(source)
    work = Work()
    work.divide(work.multiply(part, 100), base)
    work.say(f"{percent}%")
    question = _ask(source, "what percent", y=base, z=part)
    return work.problem("percent", question, f"{percent}%", f"{part} is ?% of {base}")


def of_what(source: Source) -> Problem:
    """20 is 25% of what?"""
    base, part, percent = _base_and_part(source)
    work = Work()
    answer = str(work.divide(work.multiply(part, 100), percent))
    question = _ask(source, "of what", x=percent, z=part)
    return work.problem("percent", question, answer, f"{part} is {percent}% of ?")


def _base_and_part(source: Source) -> tuple[int, int, int]:
    """A whole number, a whole part of it, and how many percent that is (whole too)."""
    rng = source.rng
    percent = (
        rng.randint(1, 100)
        if source.chance(0.6)
        else rng.choice((5, 10, 20, 25, 30, 40, 50, 60, 75, 80, 90, 120, 150))
    )
    unit = 100 // math.gcd(percent, 100)  # bases that give a whole part are multiples of it
    base = unit * rng.randint(1, max(1, rng.choice((100, 500, 1000)) // unit))
    return base, base * percent // 100, percent


def percent_between(source: Source) -> Problem:
    """From 80 to 100: by how many percent?"""
    base, change, percent = _base_and_part(source)
    is_rise = percent >= 100 or source.chance(0.5)
    after = base + change if is_rise else base - change
    work = Work()
    work.subtract(max(base, after), min(base, after))
    work.divide(work.multiply(change, 100), base)
    work.say(f"{percent}%")
    kind = "rise" if is_rise else "fall"
    if source.split == "train" and source.chance(0.6):
        question = _CHANGES.pick(source, kind).format(y=base, z=after)
    else:
        question = _ask(source, kind, y=base, z=after)
    return work.problem("percent", question, f"{percent}%", f"{base} to {after}")


PERCENT_KINDS = (
    (percent_of,) * 9 + (percent_change,) * 6 + (what_percent,) * 3 + (of_what,) * 2 + (percent_between,) * 1
)


def percent(source: Source) -> Problem:
    if source.split == "train" and source.chance(0.08):
        return percent_between(source)
    return source.rng.choice(PERCENT_KINDS)(source)


FAMILIES = {"fraction": fraction, "percent": percent}
CHECKS = {"fraction": check_fraction, "percent": check_percent}
