"""More ways to tell the facts of an order puzzle and to ask for a place in it; for training only.

A relation is `is taller` or `has more points`: what stands before `than`. Each frame of order.txt is filled with
relations that go up the scale as often as with ones that go down.
"""

from __future__ import annotations

import re

from storybook import Storybook, sections

MEASURES = dict(line.split() for line in sections("order.txt")[("train", "measures")])
_THAN = re.compile(r"\{A\} (.+) than \{B\}")


def relation_of(puzzle, book: Storybook) -> tuple[dict[str, str], bool] | None:
    """What stands before `than`, and before it the other way round; and whether this goes up the scale."""
    upwards = puzzle.rng.random() < 0.5
    relation = {"that": "that", "rel": "which"}
    if puzzle.kind == "people":
        relation = {"that": puzzle.rng.choice(("that", "who")), "rel": "who"}
    if puzzle.scale.adjectives:
        words = [[puzzle.scale.adjectives[key] for key in keys] for keys in (("upper", "up"), ("lower", "down"))]
        (er, base), (opp, opp_base) = words if upwards else words[::-1]
        relation |= {"er": er, "base": base, "opp": opp, "opp_base": opp_base}
        return relation | {"more": f"is {er}", "less": f"is {opp}"}, upwards
    for key, way in (("more", "up"), ("less", "down")) if upwards else (("more", "down"), ("less", "up")):
        lines = [line[0] for line in book.lines[f"{puzzle.scale.up}.{way}"]["train"]]
        found = [match[1] for match in map(_THAN.fullmatch, lines) if match]
        if not found:
            return None
        relation[key] = puzzle.rng.choice(found).replace("{t}", puzzle.noun)
    return relation, upwards


def framed(puzzle, book: Storybook, before: str, behind: str) -> str | None:
    """One fact of training in a frame that goes up and down the scale equally often."""
    words = puzzle.scale.adjectives
    if words and words["up"] in MEASURES and puzzle.rng.random() < 0.2:
        names = {"A": puzzle.spoken(before), "B": puzzle.spoken(behind), "m": MEASURES[words["up"]]}
        return book.pick(puzzle.source, "frame.measure").format_map(names)
    return _in_frame(puzzle, book, "frame", before, behind)


def asked_whether(puzzle, book: Storybook, before: str, behind: str) -> str | None:
    """The question whether one stands before the other."""
    return _in_frame(puzzle, book, "whether", before, behind)


def _in_frame(puzzle, book: Storybook, frames: str, before: str, behind: str) -> str | None:
    found = relation_of(puzzle, book)
    if not found:
        return None
    relation, upwards = found
    one, other = (before, behind) if upwards else (behind, before)
    if puzzle.scale.adjectives and puzzle.rng.random() < 0.6:
        frames += ".adjective"
    return book.pick(puzzle.source, frames).format_map(
        relation | {"X": puzzle.spoken(one), "Y": puzzle.spoken(other)}
    )


def shared_in_training(puzzle, book: Storybook, first: tuple[str, str], second: tuple[str, str]) -> str | None:
    """Two facts of training in one clause, told in their order."""
    found = relation_of(puzzle, book)
    if not found:
        return None
    relation, upwards = found
    if first[1] == second[0]:
        form = "shared.chain" if upwards else "shared.inner"
        names = (*first, second[1])
    elif first[0] == second[1]:
        form = "shared.inner" if upwards else "shared.chain"
        names = (*second, first[1])
    elif (common := next((k for k in (0, 1) if first[k] == second[k]), None)) is not None:
        form = "shared.both"
        if upwards != (common == 0):
            return None
        names = (first[common], first[1 - common], second[1 - common])
    else:
        return None
    if not upwards and form != "shared.both":
        names = names[::-1]
    if puzzle.scale.adjectives and puzzle.rng.random() < 0.35:
        form += ".adjective"
    spoken = dict(zip("123", map(puzzle.spoken, names)))
    return _by_number(book.pick(puzzle.source, form), spoken).format_map(relation)


def span_in_training(puzzle, book: Storybook, asked: str) -> str | None:
    """The direction of a whole order, in further words, when it is one of adjectives."""
    words = puzzle.scale.adjectives
    if not words:
        return None
    most, least = (words[key] for key in (("uppest", "lowest") if asked == "down" else ("lowest", "uppest")))
    measure = MEASURES.get(words["up"])
    form = f"span.{asked}" if measure and puzzle.rng.random() < 0.5 else "span"
    return book.pick(puzzle.source, form).format_map({"most": most, "least": least, "m": measure})


def asked_in_training(
    puzzle, book: Storybook, place: int, from_top: bool, verb: str, words: dict, who: str
) -> tuple[str, str]:
    """The question for a place in the order, in further words."""
    rng, source, adjectives = puzzle.rng, puzzle.source, puzzle.scale.adjectives
    asked = f"{'top' if from_top else 'bottom'} {place}"
    form = "top.any"
    if adjectives and rng.random() < 0.6:
        keys = ("uppest", "upper", "up") if from_top else ("lowest", "lower", "down")
        words = words | dict(zip(("most", "er", "base"), (adjectives[key] for key in keys)))
        form = {1: "top.first", 2: "top.second"}.get(place, form)
    spans = puzzle.scale.span_down if from_top else puzzle.scale.span_up
    span = rng.choice([one for one in spans if one.startswith("from")]).format_map(words)
    if (place > 1 or form == "top.first") and rng.random() < 0.4:
        verb = book.pick(source, form).format_map(words | {"place": place, "span": span})
    elif adjectives and adjectives["up"] in MEASURES and rng.random() < 0.15:
        form = "top.measure" if from_top else "bottom.measure"
        verb = book.pick(source, form).format_map(words | {"m": MEASURES[adjectives["up"]]})
    if rng.random() < 0.4:
        template = book.pick(source, "ask.end")
        if " " in who:
            template = re.sub(r" (of|among|in) (them all|them|all|these|this group)\b", "", template)
        return template.format_map({"who": who, "top": verb}), asked
    that = rng.choice(("who", "that")) if puzzle.kind == "people" else "that"
    one = verb.removeprefix("is ") if verb.startswith("is the ") else f"the one {that} {verb}"
    template = book.pick(source, "ask.one")
    if " " in who:
        template = re.sub(r"(?<=\{who\}) (among these|in this group)", "", template)
    return template.format_map({"who": who, "np": one}), asked


def _by_number(text: str, names: dict[str, str]) -> str:
    return re.sub(r"\{([123])\}", lambda match: names[match[1]], text)
