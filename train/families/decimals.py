"""How decimals are calculated, and sums, differences and products of decimals said in words: the latter only for training."""

from __future__ import annotations

import re

from phrasings import as_list, load_phrasings
from problem import Problem, Source
from steps import Work
from storybook import Storybook

_SPOKEN = Storybook("spoken.txt")
_COUNTED = re.compile(  # words for things of which there are no parts
    r"\b(how many|many|number of|rows?|groups?|guests?|seats?|eggs?|boxes|people|pieces|things|steps?|count\w*|times two"
    r"|stock|sold|sell|came|fewer|digits?|whole|integers?|columns?|sets?|teams?|of them|before|after|units|next)\b",
    re.IGNORECASE,
)


def _fit(family: str, *kinds: str) -> list[str]:
    """The lines for whole numbers that are right for decimals too."""
    phrases = load_phrasings(family)
    return [line for kind in kinds for line in phrases[kind][0] if not _COUNTED.search(line)]


_LINES = {"+": _fit("add", "sum"), "-": _fit("sub", "difference"), "distance": _fit("sub", "distance")}
_LINES["*"] = _fit("mul", "product")

Decimal = tuple[int, int]  # digits and places: (125, 2) is 1.25


def decimal_work(operator: str, *numbers: Decimal) -> tuple[list[str], str]:
    """Two or more numbers added, subtracted or multiplied as whole numbers, then the point; the work and the answer."""
    if operator == "*":
        places = sum(places for _, places in numbers)
        wholes = [digits for digits, _ in numbers]
        shown = [written(*number) for number in numbers]
    else:
        places = max(places for _, places in numbers)
        wholes = [digits * 10 ** (places - own) for digits, own in numbers]
        shown = [fixed(whole, places) for whole in wholes]
    work = Work(f" {operator.join(shown)}")
    calculate = {"+": work.add, "-": work.subtract, "*": work.multiply}[operator]
    value = wholes[0]
    for whole in wholes[1:]:
        value = calculate(value, whole)
    answer = written(value, places)
    work.say(f"{value}/{10**places}={answer}")
    return work.lines, answer


def fixed(number: int, places: int) -> str:
    """number / 10^places with all its places: (1250, 2) is 12.50."""
    sign, digits = ("-" if number < 0 else ""), str(abs(number)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def written(number: int, places: int) -> str:
    """Without zeros behind the last digit that counts: (1250, 2) is 12.5."""
    text = fixed(number, places)
    return text.rstrip("0").rstrip(".") if "." in text else text


def said_decimal(source: Source) -> Problem:
    """Decimals in words and small stories, whole numbers among them, zeros in front, sums that come out whole."""
    rng = source.rng
    kind = rng.choices(("+", "-", "distance", "*", "several"), (24, 24, 16, 28, 8))[0]
    operator = {"distance": "-", "several": "+"}.get(kind, kind)
    if kind == "several":
        numbers = [_number(source) for _ in range(3 + source.chance(0.2))]
    elif kind == "*":
        numbers = [_number(source), (rng.randint(2, 12) if source.chance(0.7) else source.number(2, 2), 0)]
    else:
        numbers = _pair(source)
        numbers.sort(key=lambda number: -number[0] / 10 ** number[1])  # nobody has less than nothing left
        if operator == "+":
            rng.shuffle(numbers)
    texts = [written(*number) for number in numbers]
    if all(places for _, places in numbers[: 1 if kind == "*" else None]) and source.chance(0.15):  # as prices are written
        numbers = [(digits * 10 ** (2 - places), 2) if 0 < places < 2 else (digits, places) for digits, places in numbers]
        texts = [fixed(*number) for number in numbers]
    if kind == "several":
        question = _SPOKEN.pick(source, "dec.several").format(list=as_list(texts, source))
    else:
        a, b = texts
        section = {"+": "dec.add", "-": "dec.sub", "distance": "dec.distance", "*": "dec.mul"}[kind]
        if source.chance(0.55):
            question = _SPOKEN.pick(source, section).format(a=a, b=b)
        else:
            line = rng.choice(_LINES[kind])
            if kind == "*" and source.chance(0.5):  # the work follows the order that is written
                a, b = b, a
            question = line.format(a=a, b=b)
    lines, answer = decimal_work(operator, *numbers)
    key = operator.join(written(*number) for number in numbers)  # 7.30 is 7.3: the same calculation, held out or not
    return Problem.ask("decimal", question, "\n".join(lines), answer, [f"decimal:{key}"])


def _number(source: Source, places: int = 0) -> Decimal:
    """One or two places, seldom three; mostly small, one in five below 1."""
    places = places or source.rng.choices((1, 2, 3), (45, 50, 5))[0]
    before = 0 if source.chance(0.2) else source.number(3)
    digits = source.rng.randint(1, 10**places - 1)
    return before * 10**places + digits - (digits % 10 == 0), places


def _pair(source: Source) -> list[Decimal]:
    a = _number(source)
    kind = source.rng.random()
    if kind < 0.3:  # a whole number with a decimal
        whole = source.rng.choice((1, 2, 5, 10, 20, 50, 100, 200, 500)) if source.chance(0.4) else source.number(3)
        return [(whole, 0), a]
    if kind < 0.42:  # the ends come to a whole number
        unit = 10 ** a[1]
        return [a, (source.number(2) * unit + unit - a[0] % unit, a[1])]
    return [a, _number(source)]
