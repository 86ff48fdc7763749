"""Names and nouns for problems told as stories."""

from __future__ import annotations

import re
from dataclasses import dataclass

from storybook import FOLDER, sections
from problem import Source, is_held_out

INVENTED_NAMES_PERCENT = 15


@dataclass(frozen=True)
class Person:
    name: str
    is_female: bool


@dataclass(frozen=True)
class Noun:
    one: str
    many: str


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def _words(file_name: str) -> dict[str, list[str]]:
    return {
        name: [word.strip() for line in lines for word in line.split(",")]
        for (_, name), lines in sections(file_name).items()
    }


def _noun(entry: str) -> Noun:
    one, _, many = entry.partition("/")
    return Noun(one, many or _plural(one))


NOUNS: dict[str, list[Noun]] = {
    name: [_noun(entry) for entry in entries] for name, entries in _words("nouns.txt").items()
}
PEOPLE: list[Person] = [
    Person(name, gender == "female") for gender, names in _words("names.txt").items() for name in names
]

_STARTS = "B D F G H J K L M N P R S T V W Z Br Dr Gr Kr Tr Sh Th".split()
_MIDDLES = "b d f g k l m n p r s t v z nd rk ll mm st".split()
_VOWELS = "a e i o u a e i o ai ei".split()
_ENDS = ["", "", "n", "l", "r", "s", "m", "k"]


def _all_words() -> set[str]:
    """Words of the stories, which no invented name may be."""
    files = ("word_tales.txt", "word_plots.txt", "nouns.txt", "order.txt", "verbs.txt")
    return {
        word
        for file in files
        for word in re.findall(r"[a-z]+", (FOLDER / file).read_text(encoding="utf-8").lower())
    }


_WORDS = _all_words() | {"ten", "tin", "men", "him", "hers", "gram", "tens", "sum", "yes"}


def is_known_word(word: str) -> bool:
    """Whether a word in small letters is one of the stories'."""
    return word in _WORDS


def invented_name(source: Source) -> str:
    """A name made of syllables, which is no word."""
    while (name := _syllables(source)).lower() in _WORDS:
        pass
    return name


def _syllables(source: Source) -> str:
    choice = source.rng.choice
    name = choice(_STARTS) + choice(_VOWELS)
    for _ in range(source.rng.randint(0, 2)):
        name += choice(_MIDDLES) + choice(_VOWELS[:9])
    return name + choice(_ENDS[2:] if len(name) < 3 else _ENDS)


def a_person(source: Source, but_not: list[Person] = ()) -> Person:
    """Somebody whose name is not one of the others'."""
    taken = [person.name for person in but_not]
    while True:
        if source.rng.random() * 100 < INVENTED_NAMES_PERCENT:
            person = Person(invented_name(source), source.rng.random() < 0.5)
        else:
            person = source.rng.choice(PEOPLE)
        if person.name not in taken:
            return person


def somebody(source: Source) -> Person:
    """Somebody with an occupation instead of a name: the baker."""
    noun = source.rng.choice(NOUNS["occupation"]).one
    return Person(
        f"the {noun}",
        noun in ("girl", "woman", "queen")
        or (noun not in ("boy", "man", "king", "fisherman", "postman") and source.rng.random() < 0.5),
    )


def may_meet(source: Source, name: str, noun: str) -> bool:
    """Whether this split may tell of that person with those things: no pair is in both splits."""
    return is_held_out(f"{name}|{noun}") == (source.split == "test")


def with_article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun
