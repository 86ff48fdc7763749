"""Transitive orders: facts about pairs, and a question about the whole order.

The work states each fact from both sides, so that every next name is a plain look-up of `NAME <` or `NAME >`:

     Tom > Ann, Ann < Tom
     Bob > Tom, Tom < Bob
     Tom < Bob              (up from the first name, as far as it goes)
     Bob > Tom > Ann        (and down from there, as far as the question asks)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from order_names import names_of_training, shared_noun
from order_terse import terse_text
from order_frames import asked_in_training, asked_whether, framed, shared_in_training, span_in_training
from problem import Problem, Source
from storybook import Storybook, capitalised, sections
from vocabulary import NOUNS, a_person

_BOOK = Storybook("order.txt")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass
class Scale:
    """One way of comparing; `A up B` means that A stands before B in the chain whose sign is `sign`."""

    sign: str
    kinds: list[str]
    up: str = ""  # the name of the phrasings of facts, for a scale with a verb of its own
    adjectives: dict[str, str] | None = None
    top: tuple[str, ...] = ()
    bottom: tuple[str, ...] = ()
    whether_up: str = ""
    whether_down: str = ""
    span_down: tuple[str, ...] = ()  # from the top of the chain to its end
    span_up: tuple[str, ...] = ()


def _variants(text: str) -> tuple[str, ...]:
    return tuple(text[1:-1].split("|")) if text.startswith("[") else (text,)


def _read_scales(more: str = "") -> list[Scale]:
    """The scales of both splits, or those of training alone (`.more`)."""
    scales = []
    raw = {name: lines for (_, name), lines in sections("order.txt").items()}
    for line in raw[f"adjectives{more}"]:
        kinds, upper, lower = (part.split() for part in line.split("|"))
        words = dict(zip(("up", "upper", "uppest", "down", "lower", "lowest"), upper + lower))
        words = {key: word.replace("_", " ") for key, word in words.items()}
        most, least = words["uppest"], words["lowest"]
        scales.append(
            Scale(
                ">",
                kinds,
                adjectives=words,
                top=(f"is the {{nth}}{most}",),
                bottom=(f"is the {{nth}}{least}",),
                whether_up=f"is {{A}} {words['upper']} than {{B}}",
                whether_down=f"is {{A}} {words['lower']} than {{B}}",
                span_down=_spans(most, least),
                span_up=_spans(least, most),
            )
        )
    for name in raw[f"scales{more}"]:
        form = [part.strip() for part in raw[f"{name}.form"][0].split(";")]
        scales.append(
            Scale(
                form[0],
                form[1].split(),
                up=name,
                top=_variants(form[2]),
                bottom=_variants(form[3]),
                whether_up=form[4],
                whether_down=form[5],
                span_down=(form[6],),
                span_up=(form[7],),
            )
        )
    return scales


def _spans(first: str, last: str) -> tuple[str, ...]:
    return (
        f"from {first} to {last}",
        f"from {first} to {last}",
        f"from the {first} to the {last}",
        f"starting with the {first}",
        f"the {first} first",
        f"beginning with the {first}",
    )


_SCALES = _read_scales()
_SCALES_OF = {"test": _SCALES, "train": _SCALES + _read_scales(".more")}
_THINGS = {
    name.removeprefix("things."): [word.strip() for line in lines for word in line.split(",")]
    for (_, name), lines in sections("order.txt").items()
    if name.startswith("things.")
}
_MORE_THAN_A_CLAIM = re.compile(
    ", but |: |; | while |whereas|, (and that|no doubt|that is|that much|as every|I believe|not the other|quite|just|rather|it is) "
)
_SINGULAR = {
    "animals": "animal",
    "objects": "thing",
    "vehicles": "vehicle",
    "buildings": "building",
    "cities": "city",
}

# (how often, what is asked)
_ASKED = ("top", "bottom", "nth", "nth last", "down", "up", "middle", "between", "whether", "two")
_WEIGHTS = (22, 18, 9, 6, 12, 8, 5, 5, 13, 5)


class _Puzzle:
    """One puzzle as it is written."""

    def __init__(self, source: Source):
        self.source = source
        self.rng = rng = source.rng
        # Adjectives and the other scales are chosen equally often, and letters now and then instead of names.
        self.scale = rng.choice(_SCALES_OF[source.split])
        self.kind = rng.choice(self.scale.kinds)
        if self.kind == "people" and rng.random() < 0.1:
            self.kind = "letters"
        self.size = rng.choices((3, 4, 5, 6), (44, 30, 17, 9))[0]
        self.names = self._names()
        self.is_bare = self.kind in ("people", "letters", "cities")  # names without an article
        if source.split == "train" and source.chance(0.35):
            self.names, self.is_bare = names_of_training(self) or (self.names, self.is_bare)
        self.own_noun = shared_noun(self.names)
        self.asked = rng.choices(_ASKED, _WEIGHTS)[0]
        if (self.asked == "middle" and self.size % 2 == 0) or (
            self.asked == "two" and not self.scale.adjectives
        ):
            self.asked = "top"
        self.pairs = self._pairs()  # (before, behind), in the order in which they are told
        self.noun = rng.choice(NOUNS["thing"]).many

    def _names(self) -> list[str]:
        if self.kind == "people":
            people: list = []
            for _ in range(self.size):
                people.append(a_person(self.source, people))
            return [person.name for person in people]
        names = self.rng.sample(_THINGS[self.kind], self.size)
        if self.kind == "letters" and self.rng.random() < 0.5:
            names = list("ABCDEF"[: self.size]) if self.rng.random() < 0.6 else list("PQRSTU"[: self.size])
            self.rng.shuffle(names)
        return names

    def _pairs(self) -> list[tuple[str, str]]:
        """Pairs that determine what is asked; self.names is the order."""
        rng, names = self.rng, self.names
        pairs = list(zip(names, names[1:]))
        if self.asked in ("top", "bottom") and rng.random() < 0.25:
            if self.asked == "top":  # everybody else has somebody before him, and who that is does not matter
                pairs = [(names[rng.randrange(place)], names[place]) for place in range(1, self.size)]
            else:
                pairs = [
                    (names[place], names[rng.randrange(place + 1, self.size)])
                    for place in range(self.size - 1)
                ]
        elif rng.random() < 0.08:
            place = rng.randrange(self.size - 2)
            pairs.append((names[place], names[place + 2]))  # says nothing new
        rng.shuffle(pairs)
        return pairs

    # -- words --

    def spoken(self, name: str) -> str:
        if self.kind == "colours":
            return f"the {name} one"
        return name if self.is_bare else f"the {name}"

    def fact(self, before: str, behind: str) -> str:
        """One fact in words, as it stands within a sentence."""
        if self.source.split == "train" and self.rng.random() < 0.6:
            in_frame = framed(self, _BOOK, before, behind)
            if in_frame:
                return in_frame
        names = {"A": self.spoken(before), "B": self.spoken(behind), "t": self.noun}
        if words := self.scale.adjectives:
            # A sentence that is told of one end of the scale only would be read by its place, not by its word.
            if self.source.split == "train" and self.rng.random() < 0.5:
                names |= {"A": names["B"], "B": names["A"]}
                words = {"upper": words["lower"], "lower": words["upper"], "up": words["down"], "down": words["up"]}
            return _BOOK.pick(self.source, "fact.adjective").format_map(names | self.scale.adjectives | words)
        if self.rng.random() < 0.5:
            return _BOOK.pick(self.source, f"{self.scale.up}.up").format_map(names)
        names["A"], names["B"] = names["B"], names["A"]
        return _BOOK.pick(self.source, f"{self.scale.up}.down").format_map(names)

    def facts(self) -> list[str]:
        """All facts in words; some share a sentence."""
        told: list[str] = []
        position = 0
        while position < len(self.pairs):
            pair = self.pairs[position]
            following = self.pairs[position + 1] if position + 1 < len(self.pairs) else None
            shared = self._shared(pair, following) if following and self.rng.random() < 0.3 else None
            if shared:
                told.append(shared)
                position += 2
            else:
                told.append(self.fact(*pair))
                position += 1
        return told

    def _shared(self, first: tuple[str, str], second: tuple[str, str]) -> str | None:
        """Two facts in one clause, when they have a name in common."""
        if self.source.split == "train" and self.rng.random() < 0.7:
            return shared_in_training(self, _BOOK, first, second)
        spoken = self.spoken
        words = self.scale.adjectives
        if not words:
            return None
        upper, lower = words["upper"], words["lower"]
        choice = self.rng.choice
        if first[1] == second[0]:
            relative = "who" if self.kind == "people" else "which"
            forms = (
                f"{{1}} is {upper} than {{2}}, {relative} is {upper} than {{3}}",
                f"{{1}} is {upper} than {{2}} and {{2}} is {upper} than {{3}}",
            )
            return (
                choice(forms)
                .replace("{1}", spoken(first[0]))
                .replace("{2}", spoken(first[1]))
                .replace("{3}", spoken(second[1]))
            )
        if first[0] == second[1]:
            link = choice((" but", " and", ", but"))
            upwards = f"{spoken(first[0])} is {upper} than {spoken(first[1])}"
            return f"{upwards}{link} {lower} than {spoken(second[0])}"
        if first[0] == second[0]:
            forms = (
                f"{spoken(first[0])} is {upper} than {spoken(first[1])} and {spoken(second[1])}",
                f"{spoken(first[0])} is {upper} than both {spoken(first[1])} and {spoken(second[1])}",
                f"{spoken(first[1])} and {spoken(second[1])} are {lower} than {spoken(first[0])}",
            )
            return choice(forms)
        if first[1] == second[1]:
            return f"{spoken(first[0])} and {spoken(second[0])} are {upper} than {spoken(first[1])}"
        return None

    def who(self) -> str:
        if self.own_noun and self.rng.random() < 0.5:
            return f"which {self.own_noun}"
        if self.kind == "people":
            return "who"
        options = ["which one", "which", "which of them"]
        if self.kind == "letters":
            options += ["who", "which letter", "who", "what"]
        if self.kind in _SINGULAR:
            options += ["which " + _SINGULAR[self.kind]] * 2
        if self.kind == "colours":
            options = ["which one", "which colour"]
        return self.rng.choice(options)

    def question(self) -> tuple[str, str]:
        """The question in words, and what it asks: `top`, `nth 2`, `whether up A B` ..."""
        rng, source, scale = self.rng, self.source, self.scale
        asked = self.asked
        if asked in ("top", "bottom", "nth", "nth last"):
            place = 1 if asked in ("top", "bottom") else rng.randint(2, min(self.size - 1, 4))
            from_top = asked in ("top", "nth")
            phrase = rng.choice(scale.top if from_top else scale.bottom)
            words = {
                "nth": "" if place == 1 else _ORDINALS[place - 1] + " ",
                "ord": _ORDINALS[place - 1],
                "t": self.noun,
            }
            who = self.who()
            if source.split == "train" and rng.random() < 0.6:
                verb = phrase.format_map(words)
                return asked_in_training(self, _BOOK, place, from_top, verb, words, who)
            template = _BOOK.pick(source, "ask.end")
            if " " in who:  # "which of them of all"
                template = (
                    template.replace(" of them all", "")
                    .replace(" of them", "")
                    .replace(" of all", "")
                    .replace(" among them", "")
                )
            text = template.format_map({"who": who, "top": phrase.format_map(words)})
            return text, f"{'top' if from_top else 'bottom'} {place}"
        if asked in ("down", "up"):
            span = rng.choice(scale.span_down if asked == "down" else scale.span_up).format_map(
                {"t": self.noun}
            )
            if source.split == "train" and rng.random() < 0.4:
                span = span_in_training(self, _BOOK, asked) or span
            return _BOOK.pick(source, "ask.list").format_map({"span": span}), asked
        if asked == "middle":
            return _BOOK.pick(source, "ask.middle").format_map({"who": self.who()}), asked
        if asked == "between":
            place = rng.randrange(self.size - 2)
            ends = [self.names[place], self.names[place + 2]]
            rng.shuffle(ends)
            words = {"A": self.spoken(ends[0]), "B": self.spoken(ends[1]), "who": self.who()}
            return _BOOK.pick(source, "ask.between").format_map(words), f"between {_keyed(*ends)}"
        return self._whether()

    def _whether(self) -> tuple[str, str]:
        rng, source = self.rng, self.source
        before, behind = sorted(rng.sample(range(self.size), 2))
        if (
            self.size > 2 and behind == before + 1 and rng.random() < 0.7
        ):  # mostly what no fact says by itself
            before, behind = (0, 2) if rng.random() < 0.5 else (self.size - 3, self.size - 1)
        if self.asked == "two":
            return self._which_of_two(self.names[before], self.names[behind])
        holds = rng.random() < 0.5
        one, other = self.names[before], self.names[behind]
        if not holds:
            one, other = other, one  # the question claims that `one` stands before `other`
        if rng.random() < 0.3:
            while _MORE_THAN_A_CLAIM.search(claimed := self.fact(one, other)):
                pass  # "B is tall, but A is taller" says more than what the facts decide
            return (
                _BOOK.pick(source, "ask.true").format_map({"fact": claimed}),
                f"whether {_keyed(one, other)}",
            )
        if source.split == "train" and rng.random() < 0.4:
            asked = asked_whether(self, _BOOK, one, other)
            if asked:
                return _BOOK.pick(source, "ask.whether").format_map({"question": asked}), f"whether {_keyed(one, other)}"
        form = self.scale.whether_up
        claim = (one, other)
        if rng.random() < 0.5:
            form, claim = self.scale.whether_down, (other, one)
        question = form.format_map({"A": self.spoken(claim[0]), "B": self.spoken(claim[1]), "t": self.noun})
        return _BOOK.pick(source, "ask.whether").format_map({"question": question}), f"whether {_keyed(one, other)}"

    def _which_of_two(self, before: str, behind: str) -> tuple[str, str]:
        rng = self.rng
        upwards = rng.random() < 0.6
        names = [before, behind]
        rng.shuffle(names)
        words = {"A": self.spoken(names[0]), "B": self.spoken(names[1]), "who": self.who()}
        words["comparative"] = self.scale.adjectives["upper" if upwards else "lower"]
        text = _BOOK.pick(self.source, "ask.two").format_map(words).replace("of them of ", "of ")
        return text, f"{'upper' if upwards else 'lower'} {_keyed(*names)}"


def _keyed(*names: str) -> str:
    """Names as a key lists them: Mill_Street Team_A."""
    return " ".join(name.replace(" ", "_") for name in names)


def order(source: Source) -> Problem:
    """One puzzle."""
    puzzle = _Puzzle(source)
    terse = terse_text(puzzle) if source.split == "train" and source.chance(0.22) else None
    if terse:
        text, asked = terse
    else:
        question, asked = puzzle.question()
        text = _written_out(puzzle, puzzle.facts(), question)
    if puzzle.is_bare and all(name.islower() for name in puzzle.names):
        text = text.lower()
    lines, answer = _solved(puzzle.names, puzzle.pairs, puzzle.scale.sign, asked)
    pairs = ",".join(f"{a}{puzzle.scale.sign}{b}" for a, b in puzzle.pairs)
    if "true or false" in text.lower():
        answer = {"yes": "true", "no": "false"}.get(answer, answer)
    return Problem.ask("order", text, "\n".join(lines), answer, [f"order:{pairs}:{asked}"])


def _written_out(puzzle: _Puzzle, told: list[str], question: str) -> str:
    rng, source = puzzle.rng, puzzle.source
    style = rng.random()
    closed = question.endswith("?") and question.split(" ")[0] in (
        "who",
        "which",
        "what",
        "is",
        "does",
        "did",
        "was",
    )
    if style < 0.1 and closed:
        return f"{capitalised(question[:-1])} if {_joined(told)}?"
    if style < 0.25:
        facts = capitalised(_joined(told, rng.choice((" and ", ", and ", ", ")))) + "."
    elif style < 0.33:
        facts = capitalised("; ".join(told)) + "."
    elif style < 0.38:
        if question.split(" ")[0] not in ("I", "I'd", "OK,", *(name.split(" ")[0] for name in puzzle.names)):
            question = question[0].lower() + question[1:]
        return f"If {_joined(told)}, {question}"
    else:
        sentences = []
        while told:
            fact, *told = told
            if told and rng.random() < 0.2 and len(fact) + len(told[0]) < 90:
                fact = _BOOK.pick(source, "fact.joint").format_map({"X": fact, "y": told[0]})
                told = told[1:]
            sentences.append(capitalised(fact) + ".")
        facts = " ".join(sentences)
    if rng.random() < 0.08:
        names = [puzzle.spoken(name) for name in rng.sample(puzzle.names, puzzle.size)]
        count = f"{puzzle.size} of them"
        facts = (
            capitalised(_BOOK.pick(source, "intro").format_map({"list": _joined(names), "count": count}))
            + " "
            + facts
        )
    return f"{facts} {capitalised(question)}"


def _joined(parts: list[str], last: str = " and ") -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + last + parts[-1]


# -- the work ------------------------------------------------------------------------------------------------


def _solved(names: list[str], pairs: list[tuple[str, str]], sign: str, asked: str) -> tuple[list[str], str]:
    """The lines of work, and the answer. `names` is the true order, which the work finds from the pairs."""
    back = "<" if sign == ">" else ">"
    lines = [f" {a} {sign} {b}, {b} {back} {a}" for a, b in pairs]
    what, *arguments = (part.replace("_", " ") for part in asked.split(" "))
    if what == "bottom" or what == "up":
        _walk(lines, pairs, pairs[0][1], sign, 1)
        if asked == "bottom 1":
            return lines, re.split(r" [<>] ", lines[-1][1:])[-1]
        chain = names[::-1]
        sign, pairs = back, [(b, a) for a, b in pairs]
    else:
        _walk(lines, pairs, pairs[0][0], back, 0)
        if asked == "top 1":
            return lines, re.split(r" [<>] ", lines[-1][1:])[-1]
        chain = names
    answer = ""
    if what in ("top", "bottom"):
        chain = chain[: int(arguments[0])]
        answer = chain[-1]
    elif what in ("down", "up"):
        answer = ", ".join(chain)
    elif what == "between":
        chain = chain[: max(chain.index(end) for end in arguments) + 1]
        answer = chain[-2]
    elif what in ("whether", "upper", "lower"):
        chain = chain[: min(chain.index(end) for end in arguments) + 1]
    _write_chain(lines, chain, pairs, sign)
    if what == "middle":
        answer = chain[len(chain) // 2]
        lines.append(f" middle: {answer}")
    if what in ("whether", "upper", "lower"):
        one, other = arguments
        first, second = (one, other) if chain[-1] == one else (other, one)
        asked_first = f" {one} {sign} {other}?" if what == "whether" else ""
        lines.append(f"{asked_first} {first} {sign} {second}")
        answer = first if what == "upper" else second if what == "lower" else "yes" if first == one else "no"
    return lines, answer


def _walk(lines: list[str], pairs: list[tuple[str, str]], name: str, sign: str, forward: int) -> None:
    """Adds the line that goes from a name as far as it can: forward (1) to the end, or (0) to the top."""
    walked = [name]
    while True:
        step = next((pair for pair in pairs if pair[1 - forward] == walked[-1]), None)
        if step is None:
            break
        walked.append(step[forward])
    lines.append(" " + f" {sign} ".join(walked))


def _write_chain(lines: list[str], chain: list[str], pairs: list[tuple[str, str]], sign: str) -> None:
    """Adds the chain; where a name has facts with two names behind it, says first how these two compare."""
    behind: dict[str, list[str]] = {}
    for before, after in pairs:
        behind.setdefault(before, []).append(after)
    for place, name in enumerate(chain[:-1]):
        if len(behind.get(name, [])) > 1:
            other = next(one for one in behind[name] if one != chain[place + 1])
            lines.append(f" {chain[place + 1]} {sign} {other}")
    lines.append(" " + f" {sign} ".join(chain))
