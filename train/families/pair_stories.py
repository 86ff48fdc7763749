"""More stories of two unknowns (goods, notes and coins, heads and legs, tickets, sum and difference): only for training."""

from __future__ import annotations

from families.goods import two_goods
from families.pairs import name_of, solve_pair
from problem import Problem, Source
from storybook import Storybook

_STORIES = Storybook("pair_stories.txt")
_NAMES = "Anna Ben Carla David Emma Finn Grace Hugo Iris Jack Kate Leo Mia Noah Olga Paul Rosa Sam Tina Victor".split()

# What has which number of which parts: one, many, number of parts; two, many, number of parts; the parts.
_PARTS = (
    ("car", "cars", 4, "bike", "bikes", 2, "wheels"), ("bike", "bikes", 2, "tricycle", "tricycles", 3, "wheels"),
    ("van", "vans", 4, "truck", "trucks", 6, "wheels"), ("stool", "stools", 3, "chair", "chairs", 4, "legs"),
    ("hen", "hens", 2, "cow", "cows", 4, "legs"), ("goat", "goats", 4, "duck", "ducks", 2, "legs"),
    ("rabbit", "rabbits", 4, "goose", "geese", 2, "legs"), ("ant", "ants", 6, "spider", "spiders", 8, "legs"),
    ("sheep", "sheep", 4, "ostrich", "ostriches", 2, "feet"), ("horse", "horses", 4, "beetle", "beetles", 6, "legs"),
)  # fmt: skip
# Two sorts at two prices.
_TICKETS = (
    ("adult ticket", "adult tickets", "child ticket", "child tickets"),
    ("full ticket", "full tickets", "reduced ticket", "reduced tickets"),
    ("front seat", "front seats", "back seat", "back seats"),
    ("day pass", "day passes", "evening pass", "evening passes"),
    ("large box", "large boxes", "small box", "small boxes"),
    ("hot lunch", "hot lunches", "cold lunch", "cold lunches"),
    ("single room", "single rooms", "tent place", "tent places"),
)
_VALUES = ((2, 5), (5, 10), (10, 20), (5, 20), (20, 50), (2, 20), (10, 50), (5, 50), (2, 10))
_KINDS = "goods goods goods notes notes parts parts tickets tickets sums sums sums".split()


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _a(thing: str) -> str:
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"


def pair_story(source: Source) -> Problem:
    """Two unknowns told in words; asks for the first, the second or both."""
    rng = source.rng
    kind = rng.choice(_KINDS)
    asked = rng.choice(("first", "second", "both"))
    x, y = rng.randint(1, 20), rng.randint(1, 20)
    words: dict = {}
    one = two = ""
    if kind == "goods":
        x, y = rng.randint(1, 15), rng.randint(1, 15)
        while True:
            a, b, d, e = (rng.randint(1, 6) for _ in range(4))
            if a * e != d * b:
                break
        rows = (a, b, a * x + b * y), (d, e, d * x + e * y)
        one, two = two_goods(source)
        words = {"A": _counted(a, one), "B": _counted(b, two), "D": _counted(d, one), "E": _counted(e, two)}
        words |= {"C": rows[0][2], "F": rows[1][2]}
    elif kind == "sums":
        larger, smaller = max(x, y) * rng.randint(1, 3) + 1, min(x, y)
        rows = (1, 1, larger + smaller), (1, -1, larger - smaller)
        words = {"s": larger + smaller, "d": larger - smaller}
    else:
        if kind == "notes":
            p, q = rng.choice(_VALUES) if source.chance(0.5) else rng.choice(_VALUES)[::-1]
        elif kind == "parts":
            one, words["ones"], p, two, words["twos"], q, words["parts"] = rng.choice(_PARTS)
            if source.chance(0.5):
                one, words["ones"], p, two, words["twos"], q = two, words["twos"], q, one, words["ones"], p
        else:
            one, words["ones"], two, words["twos"] = rng.choice(_TICKETS)
            q, p = sorted(rng.sample(range(2, 16), 2))
        rows = (1, 1, x + y), (p, q, p * x + q * y)
        words |= {"n": x + y, "t": p * x + q * y, "p": p, "q": q}
    work, u, v = solve_pair(*rows, "xy", only_first=asked == "first")
    answer = str(u if asked == "first" else v)
    if asked == "both":
        answer = f"one {one}: {u}, one {two}: {v}" if kind == "goods" else f"{u} and {v}"
        work.say(f" {answer}" if kind == "goods" else answer)
    words |= {"one": one, "two": two, "a_one": _a(one or "one"), "a_two": _a(two or "two")}
    words["A_one"] = words["a_one"].capitalize()
    words["N"], words["O"] = rng.sample(_NAMES, 2)
    question = f"{_STORIES.pick(source, kind)} {_STORIES.pick(source, f'{kind}.{asked}')}"
    if source.chance(0.3) and _STORIES.has(source, f"{kind}.first.{asked}"):
        question = _STORIES.pick(source, f"{kind}.first.{asked}")
    question = question.format(**words)
    return work.problem("system", question[:1].upper() + question[1:], answer, name_of(*rows))
