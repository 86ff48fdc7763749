"""Words of stories: numbers and times as people say them, pronouns, and what changes when somebody tells of himself."""

from __future__ import annotations

import re

from vocabulary import Person

_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}
_ORDINALS = "second third fourth fifth sixth seventh eighth ninth tenth".split()
_ENDINGS = {2: "nd", 3: "rd"}
ME = Person("I", False)
_ABOUT_ME = (
    (r"\b([Dd]o)es I\b", r"\1 I"),
    (r"\b([Hh]a)s I\b", r"\1ve I"),
    (r"\bI's\b", "my"),
    (r"\bI has\b", "I have"),
    (r"\bI is\b", "I am"),
    (r"\bis I\b", "am I"),
    (r"\bI ends\b", "I end"),
    (r"\b(of|with|tell|to|than|are|gives|gave|for) I\b", r"\1 me"),
    (r"(^|[.?!] )my\b", r"\1My"),
    (r"\bI (live|walk|sleep|get|wear|work|weigh|drive|spend|read|drink|turn|need|want)s\b", r"I \1"),
)


def some_number(rng, most: int, least: int = 2) -> int:
    """Uniform in the number of digits, then in the number."""
    digits = rng.randint(len(str(least)), len(str(most)))
    low = max(least, 10 ** (digits - 1))
    return rng.randint(low, max(low, min(most, 10**digits - 1)))


def as_word(number: int) -> str:
    return _WORDS[number] if number <= 12 else str(number)


class Incidental(dict):
    """The words of a story, and numbers that are no quantities of it: {n} days, the {nth} time, at {time}, room {no}."""

    def __init__(self, words: dict[str, str], rng):
        super().__init__(words)
        self.rng = rng

    def __missing__(self, name: str) -> str:
        rng, number = self.rng, self.rng.randint(2, 12)
        if name == "n":
            return as_word(number) if rng.random() < 0.6 else str(number)
        if name == "nth":
            place = rng.randint(2, 10)
            return _ORDINALS[place - 2] if rng.random() < 0.7 else f"{place}{_ENDINGS.get(place, 'th')}"
        if name == "no":
            return str(some_number(rng, 300))
        if name == "age":
            return str(rng.randint(5, 95))
        if name == "year":
            return str(rng.randint(1950, 2030))
        if name == "time":
            forms = (as_word(number), str(number), f"{number} o'clock", f"half past {as_word(number)}")
            return rng.choice((*forms, f"{number}:{rng.randint(10, 59)}"))
        raise KeyError(name)


def times_in_words(number: int) -> str:
    return _TIMES.get(number, f"{number} times")


def pronouns(person: Person) -> dict[str, str]:
    if person is ME:
        return {"p": "I", "P": "I", "his": "my", "His": "My", "him": "me"}
    if person.is_female:
        return {"p": "she", "P": "She", "his": "her", "His": "Her", "him": "her"}
    return {"p": "he", "P": "He", "his": "his", "His": "His", "him": "him"}


def as_me(text: str) -> str:
    """A sentence about somebody called `I` with the right forms."""
    for wrong, right in _ABOUT_ME:
        text = re.sub(wrong, right, text)
    return text
