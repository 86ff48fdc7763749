"""Order puzzles as people jot them down ("kim faster than lee, lee faster than dan. slowest?"); for training only."""

from __future__ import annotations

from order_frames import MEASURES, relation_of
from storybook import Storybook, capitalised

_TERSE = Storybook("order_terse.txt")
_BOOK = Storybook("order.txt")
_ORDINALS = ("", "second", "third", "fourth", "fifth")
_SHORT_ORDINALS = ("", "2nd", "3rd", "4th", "5th")


def _fact(puzzle, form: str, before: str, behind: str) -> str | None:
    found = relation_of(puzzle, _BOOK)
    if not found:
        return None
    words, upwards = found
    one, other = (before, behind) if upwards else (behind, before)
    short = {key: words[key].removeprefix("is ") for key in ("more", "less")}
    return form.format_map(words | short | {"X": puzzle.spoken(one), "Y": puzzle.spoken(other)})


def terse_text(puzzle) -> tuple[str, str] | None:
    """The facts and the question in few words, and what is asked."""
    rng, source, scale = puzzle.rng, puzzle.source, puzzle.scale
    words = scale.adjectives
    measure = MEASURES.get(words["up"]) if words else None
    kind = "fact.adjective" if words else "fact"
    form = _TERSE.pick(source, kind)
    facts = []
    for pair in puzzle.pairs:
        if rng.random() < 0.25:
            form = _TERSE.pick(source, kind)
        fact = _fact(puzzle, form, *pair)
        if fact is None:
            return None
        facts.append(fact)
    inner = any(":" in fact or " or " in fact for fact in facts)
    told = rng.choice(("; ", ". ", ". ", "\n") if inner else (", ", ", ", "; ", ". ", ". ", " and ", "\n")).join(facts)
    heads = sorted(puzzle.names)
    before = ""
    if measure and rng.random() < 0.12:
        before = _TERSE.pick(source, "before.measure").format(m=measure) + " "
    elif rng.random() < 0.12:
        rng.shuffle(heads)
        before = _TERSE.pick(source, "before").format(list=", ".join(map(puzzle.spoken, heads))) + " "
    asked = _question(puzzle, measure)
    if asked is None:
        return None
    question, key = asked
    if rng.random() < 0.2 and "\n" not in told:
        form = "{q}? {facts}." if ". " in told else _TERSE.pick(source, "question.first")
        text = form.format(q=question.rstrip("?. "), facts=before + told)
    else:
        text = f"{before}{told}{rng.choice(('. ', '. ', '. ', ' - ', ': ', '; ', ' -> '))}{question}"
    keeps_small = puzzle.is_bare and any(name[0].islower() for name in puzzle.names)
    if keeps_small or rng.random() < 0.4:
        return text, key
    return ". ".join(capitalised(part) for part in text.split(". ")), key


def _question(puzzle, measure: str | None) -> tuple[str, str] | None:
    rng, source, scale, asked = puzzle.rng, puzzle.source, puzzle.scale, puzzle.asked
    words = scale.adjectives
    if asked in ("top", "bottom", "nth", "nth last"):
        place = 1 if asked in ("top", "bottom") else rng.randint(2, min(puzzle.size - 1, 4))
        from_top = asked in ("top", "nth")
        key = f"{'top' if from_top else 'bottom'} {place}"
        ordinal = rng.choice((_ORDINALS, _ORDINALS, _SHORT_ORDINALS))[place - 1]
        if words:
            most = words["uppest" if from_top else "lowest"]
            other = words["lowest" if from_top else "uppest"]
            form = _TERSE.pick(source, "ask.most" if place == 1 else "ask.nth")
            return form.format(who=puzzle.who(), most=most, ord=ordinal, least=other), key
        phrase = rng.choice(scale.top if from_top else scale.bottom)
        blank = f"{ordinal} " if ordinal else ""
        said = phrase.format_map({"nth": blank, "ord": ordinal or "first", "t": puzzle.noun})
        return _TERSE.pick(source, "ask.top").format(who=puzzle.who(), top=said), key
    if asked in ("down", "up"):
        span = rng.choice(scale.span_down if asked == "down" else scale.span_up).format_map({"t": puzzle.noun})
        return _TERSE.pick(source, "ask.list").format(span=span), asked
    if asked == "middle":
        if measure and rng.random() < 0.6:
            return _TERSE.pick(source, "ask.middle.measure").format(who=puzzle.who(), m=measure), asked
        if words and puzzle.size == 3 and rng.random() < 0.5:
            form = _TERSE.pick(source, "ask.middle.neither")
            return form.format(who=puzzle.who(), most=words["uppest"], least=words["lowest"]), asked
        return _TERSE.pick(source, "ask.middle").format(who=puzzle.who()), asked
    if not words or asked == "between":
        return None
    before, behind = sorted(rng.sample(range(puzzle.size), 2))
    one, other = puzzle.names[before], puzzle.names[behind]
    if asked == "two":
        upwards = rng.random() < 0.5
        names = rng.sample((one, other), 2)
        spoken = dict(zip("AB", map(puzzle.spoken, names)), who=puzzle.who())
        form = _TERSE.pick(source, "ask.two").format(er=words["upper" if upwards else "lower"], **spoken)
        return form, f"{'upper' if upwards else 'lower'} {_keyed(*names)}"
    if rng.random() < 0.5:
        one, other = other, one
    if rng.random() < 0.5:
        said = {"A": puzzle.spoken(one), "B": puzzle.spoken(other), "er": words["upper"]}
    else:
        said = {"A": puzzle.spoken(other), "B": puzzle.spoken(one), "er": words["lower"]}
    return _TERSE.pick(source, "ask.can").format_map(said), f"whether {_keyed(one, other)}"


def _keyed(*names: str) -> str:
    return " ".join(name.replace(" ", "_") for name in names)
