"""Lists and pairs of numbers in small stories whose attribute gives the direction ("the cheapest first"); only for training."""

from __future__ import annotations

from dataclasses import dataclass

from phrasings import as_list
from problem import Source
from storybook import Storybook, capitalised

_LISTS = Storybook("size_lists.txt")
_PAIRS = Storybook("size_pairs.txt")
_NAMES = "Anna Ben Carla David Emma Finn Grace Hugo Iris Jack Kate Leo Mia Noah Olga Paul Rosa Sam Tina Omar Priya Wei".split()
_THEMES = [name.removesuffix(".say") for name in _LISTS.lines if name.endswith(".say")]
_LABELS = (
    "Monday Tuesday Wednesday Thursday Friday Saturday".split(),
    "January February March April May June".split(),
    "A B C D E F".split(),
    "north south east west centre harbour".split(),
    "red blue green yellow white black".split(),
)


def asked_about(source: Source, line: str, fact: str, words: dict) -> str:
    """The line, filled in; when it begins with the fact, the question sometimes comes first or stands on a line of its own."""
    rest = line.removeprefix("{fact} ")
    if rest == line:
        return line.format(fact=fact, **words)
    question = rest.format(**words)
    if question[-1] in ".?!" and not question.startswith(("So ", "And ")) and source.chance(0.15):
        return f"{capitalised(question)} {fact}"
    return fact + (source.rng.choice((" - ", "\n", " / ")) if source.chance(0.08) else " ") + question


# -- lists --------------------------------------------------------------------------------------------------------------


def list_story(source: Source, kind: str, count: int) -> tuple[list[int], str, list[str]]:
    """Numbers, a question of that kind about them, and whose they are when the answer is a name."""
    rng = source.rng
    if kind not in ("ascending", "descending", "median") and source.chance(0.3):
        return _who(source, kind, count)
    theme = rng.choice(_THEMES)
    low, high = map(int, _LISTS.pick(source, f"{theme}.range").split())
    numbers = _in_range(source, count, low, high)
    things, thing = _LISTS.pick(source, f"{theme}.name").split("/")
    whole = kind in ("ascending", "descending")
    if whole and source.chance(0.08):
        numbers[-1] = numbers[0]
    words = {"things": things, "thing": thing, "Things": capitalised(things)}
    words |= {"top": _LISTS.pick(source, f"{theme}.top"), "low": _LISTS.pick(source, f"{theme}.low")}
    words["list"], labelled = _listed(source, theme, numbers)
    words["say"] = _LISTS.pick(source, f"{theme}.say" if not labelled else "say.labelled").format(**words)
    if whole:
        words["span"] = _LISTS.pick(source, kind).format(**words)
        words["Span"] = capitalised(words["span"])
        frame = "whole.labelled" if labelled else "whole"
    else:
        section = f"{theme}.{kind.replace(' ', '_')}"
        own = _LISTS.has(source, section) and source.chance(0.4)
        words["np"] = _LISTS.pick(source, section if own else kind.replace(" ", "_")).format(**words)
        words["Np"] = capitalised(words["np"])
        frame = "one"
    return numbers, _LISTS.pick(source, frame).format(**words), []


def _who(source: Source, kind: str, count: int) -> tuple[list[int], str, list[str]]:
    """Who has the largest, and so on; names or other labels with their numbers."""
    rng = source.rng
    persons = source.chance(0.75)
    theme = rng.choice("times scores ages weights heights".split() if persons else "prices temperatures levels stock".split())
    low, high = map(int, _LISTS.pick(source, f"{theme}.range").split())
    numbers = _in_range(source, count, low, high)
    labels = rng.sample(_NAMES if persons else rng.choice(_LABELS), count)
    unit = _LISTS.pick(source, f"{theme}.unit")
    between = rng.choice((" ", ": ", " = ", " with ", " - "))
    items = [f"{label}{between}{number}" for label, number in zip(labels, numbers)]
    if source.chance(0.3):
        items = [f"{item} {unit}" for item in items]
    words = {"things": _LISTS.pick(source, f"{theme}.name").split("/")[0], "list": as_list(items, source)}
    words["Things"] = capitalised(words["things"])
    high = kind.endswith("largest")
    words["super"] = _LISTS.pick(source, f"{theme}.{'top' if high else 'low'}")
    words["np"] = ("second " if kind.startswith("second") else "") + words["super"]
    words["thing"] = _LISTS.pick(source, f"{theme}.name").split("/")[1]
    section = "who" if persons else "label"
    if persons and source.chance(0.4) and _LISTS.has(source, f"{theme}.who.{kind.replace(' ', '_')}"):
        words["did"] = _LISTS.pick(source, f"{theme}.who.{kind.replace(' ', '_')}")
        section = "who.did"
    return numbers, _LISTS.pick(source, section).format(**words), labels


def _in_range(source: Source, count: int, low: int, high: int) -> list[int]:
    """Different numbers, all of about one size in half of the lists."""
    rng = source.rng
    if source.chance(0.4):
        low = rng.randint(low, high)
        high = min(high, max(low + 2 * count, low + rng.choice((20, 50, low // 2))))
        low = max(0, min(low, high - 2 * count))
    return rng.sample(range(low, high + 1), count)


def _listed(source: Source, theme: str, numbers: list[int]) -> tuple[str, bool]:
    """The list as it stands in the question, and whether its items have labels."""
    items = [str(number) for number in numbers]
    kind = source.rng.random()
    if kind < 0.15:
        labels = _NAMES if source.chance(0.5) else source.rng.choice(_LABELS)
        between = source.rng.choice((" ", ": ", " = ", " "))
        items = [f"{label}{between}{item}" for label, item in zip(source.rng.sample(labels, len(items)), items)]
        return source.rng.choice((", ", "; ", ", ", "\n")).join(items), True
    unit = _LISTS.pick(source, f"{theme}.unit") if _LISTS.has(source, f"{theme}.unit") else ""
    if unit and kind < 0.35:
        if source.chance(0.5):
            return as_list([f"{item} {unit}" for item in items], source), False
        return f"{as_list(items, source)} {unit}", False
    if kind < 0.5:
        return source.rng.choice(("; ", " / ", " | ", ",", " - ", " ", "/")).join(items), False
    return as_list(items, source), False


# -- pairs --------------------------------------------------------------------------------------------------------------


@dataclass
class Pair:
    """A question about two numbers; `sides` has who has which when the answer is one of the two names."""

    question: str
    sides: tuple[str, str] | None = None


# What they do, once and many; with what; whether that is counted; who.
_DEEDS = (
    ("have", "has", "stamps coins marbles points cards books stickers tickets shells eggs pens", True, "names"),
    ("have", "has", "members players fans chairs votes points pupils", True, "groups"),
    ("own", "owns", "books hens sheep records cups tools", True, "names"),
    ("collect", "collects", "cans bottles stones coins signatures cards", True, "names"),
    ("sell", "sells", "tickets cakes lamps loaves bikes phones", True, "shops"),
    ("sell", "sells", "tickets cookies raffle-tickets cups", True, "names"),
    ("score", "scores", "points goals", True, "groups"),
    ("score", "scores", "points", True, "names"),
    ("make", "makes", "parts bolts boxes cups tiles", True, "machines"),
    ("hold", "holds", "litres liters", False, "tanks"),
    ("contain", "contains", "litres liters ml gallons", False, "tanks"),
    ("weigh", "weighs", "kg grams kilos pounds tons", False, "loads"),
    ("cost", "costs", "euros dollars pounds cents", False, "goods"),
    ("last", "lasts", "minutes seconds hours days", False, "shows"),
    ("read", "reads", "pages books", True, "names"),
    ("walk", "walks", "steps", True, "names"),
    ("drive", "drives", "km miles", False, "names"),
    ("earn", "earns", "euros dollars pounds", False, "names"),
    ("save", "saves", "euros dollars pounds", False, "names"),
    ("show", "shows", "units kWh litres", False, "meters"),
    ("carry", "carries", "passengers crates parcels", True, "vans"),
    ("need", "needs", "screws bricks tiles volunteers", True, "jobs"),
)
_SIDES = {
    "groups": "team A/team B,team one/team two,the red team/the blue team,the club/the choir,class 5/class 6,our school/"
    "your school,the north side/the south side",
    "shops": "shop A/shop B,the old shop/the new shop,the bakery/the kiosk,the first stand/the second stand",
    "machines": "machine A/machine B,machine one/machine two,the old press/the new press,line 1/line 2",
    "tanks": "tank A/tank B,tank one/tank two,tank 1/tank 2,the barrel/the drum,the left tank/the right tank,the pool/"
    "the pond,the first can/the second can",
    "loads": "the crate/the sack,box A/box B,parcel one/parcel two,the first load/the second load,the pig/the calf",
    "goods": "the lamp/the chair,the tent/the bag,the coat/the jacket,offer A/offer B,phone one/phone two,the table/the sofa",
    "shows": "the film/the play,the first part/the second part,tour A/tour B,battery A/battery B,film one/film two",
    "meters": "meter A/meter B,meter one/meter two,the left gauge/the right gauge,counter 1/counter 2,sensor A/sensor B",
    "vans": "van A/van B,the bus/the tram,truck 1/truck 2,the old van/the new van,boat one/boat two",
    "jobs": "the shelf/the desk,job A/job B,the wall/the tower,the first house/the second house",
}


def pair_story(source: Source, kind: str, a: str, b: str) -> Pair:
    """A question of that kind (greater, less, equal, differ, larger, smaller, atleast, atmost, who.larger, claim.less)."""
    rng = source.rng
    if kind.startswith("at") and source.chance(0.6) or "-" in a + b:
        return Pair(_PAIRS.pick(source, f"plain.{kind}").format(a=a, b=b))
    verb, verbs, objects, counted, who = rng.choice(_DEEDS)
    thing = rng.choice(objects.split()).replace("-", " ")
    if ("." in a + b) and counted:
        verb, verbs, thing, counted, who = "weigh", "weighs", "kg", False, "loads"
    sides = rng.sample(_NAMES, 2) if who == "names" else rng.choice(_SIDES[who].split(","))
    if isinstance(sides, str):
        sides = sides.split("/")
        if source.chance(0.3):
            sides = sides[::-1]
    p, q = sides
    words = {"a": a, "b": b, "p": p, "q": q, "P": capitalised(p), "Q": capitalised(q), "v": verb, "vs": verbs, "o": thing}
    words |= {"fewer": "fewer" if counted and source.chance(0.7) else "less", "who": "who" if who == "names" else "which"}
    words["Who"] = capitalised(words["who"])
    words["bo"] = f"{b} {thing}" if source.chance(0.4) else b
    words["ao"] = f"{a} {thing}" if "o" in words["bo"] or source.chance(0.8) else a
    fact = _PAIRS.pick(source, "fact").format(**words)
    question = asked_about(source, _PAIRS.pick(source, kind), fact, words)
    return Pair(question[:1].upper() + question[1:], (p, q) if kind.startswith("who") else None)
