"""Stories told whole: phrases/word_plots.txt has plots (numbers and steps) and texts that tell them.

phrases/word_stocks.txt has more of both, for training only.

    name | nouns | numbers and conditions | steps
    reading | - | a=8-40 b=3-14 c=20-300 c>a | a*b; r1+c

Numbers: `a=8-40` between, `c=a*b` calculated, `c>a` must hold. Steps: operations on numbers, constants and
earlier results (r1, r2...); `//` and `%` are quotient and rest of an uneven division, and `$` before a step
says that its result is money. In texts {a} is a number, {$a}
money, {a_times} "twice".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from storybook import Storybook, capitalised, in_tense, sections, with_right_articles
from problem import Source
from tale_words import Incidental, some_number, times_in_words
from tales import MOST, Scene, Step, Story, calculated, may_distract
from vocabulary import NOUNS, may_meet, with_article

_OPERATION = re.compile(r"(\$?)(\w+)(//|[-+*/%])(\w+)")
_MONEY = (
    (50, "${}"),
    (16, "{} dollars"),
    (14, "{} euros"),
    (8, "€{}"),
    (5, "£{}"),
    (4, "{} pounds"),
    (3, "{} coins"),
)


@dataclass
class Plot:
    book: Storybook
    name: str
    kinds: list[str]  # of the nouns {t} {s}, {t2} {s2}
    draws: list[tuple]  # ("between", name, least, most) | ("value", name, code) | ("must", code)
    steps: list[tuple[bool, str, str, str]]  # (is money, left, operation, right)


def _parsed(line: str, book: Storybook) -> Plot:
    name, kinds, numbers, steps = (part.strip() for part in line.split("|"))
    draws: list[tuple] = []
    for entry in numbers.split():
        between = re.fullmatch(r"(\w)=(\d+)-(\d+)", entry)
        value = re.fullmatch(r"(\w)=([^=].*)", entry)
        if between:
            draws.append(("between", between[1], int(between[2]), int(between[3])))
        elif value:
            draws.append(("value", value[1], compile(value[2], name, "eval")))
        else:
            draws.append(("must", compile(entry, name, "eval")))
    parsed_steps = []
    for step in steps.split(";"):
        parts = _OPERATION.fullmatch(step.strip())
        if not parts:
            raise ValueError(f"plot {name}: '{step}' is no step")
        parsed_steps.append((bool(parts[1]), parts[2], parts[3], parts[4]))
    return Plot(book, name, [] if kinds == "-" else kinds.split(), draws, parsed_steps)


def _read_plots(file_name: str) -> dict[str, list[Plot]]:
    """The plots of a split, each as often as it has texts, so that every text is told equally often."""
    book = Storybook(file_name)
    plots = [_parsed(line, book) for line in sections(file_name)[("both", "plots")]]
    return {
        split: [plot for plot in plots for _ in book.lines.get(plot.name, {split: []})[split]]
        for split in ("train", "test")
    }


_PLOTS = _read_plots("word_plots.txt")
_STOCKS = _read_plots("word_stocks.txt")["train"]
_STOCKS_SHARE = 0.25


def _drawn(plot: Plot, rng) -> dict[str, int] | None:
    values: dict[str, int] = {}
    for draw in plot.draws:
        if draw[0] == "between":
            values[draw[1]] = some_number(rng, draw[3], draw[2])
        elif draw[0] == "value":
            values[draw[1]] = eval(draw[2], {}, values)  # an expression of our own file
        elif not eval(draw[1], {}, values):
            return None
    return values


def _solved(plot: Plot, values: dict[str, int]) -> list[Step] | None:
    known = dict(values)
    steps = []
    for number, (_, left, operation, right) in enumerate(plot.steps, 1):
        a = int(left) if left.isdigit() else known[left]
        b = int(right) if right.isdigit() else known[right]
        if operation in ("/", "//", "%") and (b == 0 or (operation == "/" and a % b)):
            return None
        result = known[f"r{number}"] = calculated(a, operation, b)
        if not 0 <= result <= MOST:
            return None
        steps.append(Step(a, operation, b))
    return steps


def tell_plot(source: Source) -> Story | None:
    """A story told whole; None when the choices did not fit."""
    rng = source.rng
    more = source.split == "train" and source.chance(_STOCKS_SHARE)
    plot = rng.choice(_STOCKS if more else _PLOTS[source.split])
    scene = Scene(source)
    if not scene.cast(plot.kinds[0] if plot.kinds else "thing"):
        return None
    other = rng.choice(NOUNS[plot.kinds[1] if len(plot.kinds) > 1 else "goods"])
    if other.many == scene.noun.many or (
        source.split == "train" and not may_meet(source, scene.main.name, other.many)
    ):
        return None
    words = scene.words
    words |= {
        "t2": other.many,
        "s2": other.one,
        "a_s2": with_article(other.one),
        "a_s": with_article(scene.noun.one),
    }
    for _ in range(40):
        values = _drawn(plot, rng)
        steps = _solved(plot, values) if values else None
        if steps:
            break
    else:
        return None
    money = rng.choices([form for _, form in _MONEY], [share for share, _ in _MONEY])[0]
    for name, value in values.items():
        words[name] = scene.number(value)
        words["$" + name] = money.format(value)
        words[name + "_times"] = times_in_words(value)
    text = in_tense(plot.book.pick(source, plot.name), scene.past)
    text = with_right_articles(text.format_map(Incidental(words, rng)))
    last = steps[-1]
    answer = str(calculated(last.left, last.operation, last.right))
    if plot.steps[-1][0] and money[0] in "$€£" and money[0] in text:
        answer = money[0] + answer
    text = re.sub(r"(^|[.?!] )([a-z])", lambda match: match[1] + match[2].upper(), text)
    share = 0.15 if source.split == "train" else 0.08
    if rng.random() < share and ". " in text and scene.main.name in text and "age" not in plot.name:
        first, rest = text.split(". ", 1)
        extra = capitalised(scene.say("distractor", d=rng.randint(3, 14)))
        if source.split == "test" or (scene.main.name in first and may_distract(scene, extra, text)):
            text = f"{first}. {extra} {rest}"
    return Story(text, answer, steps)
