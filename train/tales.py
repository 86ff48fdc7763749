"""Stories of how many things somebody has, put together from pieces of phrases/word_tales.txt."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from storybook import Storybook, base_of, capitalised, in_tense, with_right_articles
from problem import Source
from tale_words import ME, Incidental, as_me, as_word, pronouns, some_number, times_in_words
from vocabulary import NOUNS, Noun, Person, a_person, may_meet, somebody

MOST = 5_000  # no result is larger
_COLOURS = "red blue green yellow white black brown orange pink purple".split()
_BOOK = Storybook("word_tales.txt")


@dataclass
class Step:
    """One operation of the solution."""

    left: int
    operation: str
    right: int


@dataclass
class Story:
    """A question in words with the steps that answer it."""

    text: str
    answer: str
    steps: list[Step] = field(default_factory=list)


def calculated(left: int, operation: str, right: int) -> int:
    if operation == "+":
        return left + right
    if operation == "-":
        return left - right
    if operation == "*":
        return left * right
    return left % right if operation == "%" else left // right


# The verb that begins a phrase, the one behind its subject, or one joined to these.
_OWN_VERB = re.compile(
    r"(?:^|(?<=\{N\} )|(?<=\{P\} )|(?<=\{p\} )|(?<=\{P\} then )|(?<= and (?=@finds)))@(\w+)"
)
_JOINED_VERB = re.compile(r"(?<= and )@(\w+)")


def _as_base(match: re.Match) -> str:
    return "@" + base_of(match[1])


class Scene:
    """Who and what a story is about, and how it writes numbers."""

    def __init__(self, source: Source):
        self.source = source
        self.rng = source.rng
        is_training = source.split == "train"
        self.in_words = self.rng.random() < (0.2 if is_training else 0.12)
        self.is_mixed = is_training and self.in_words and self.rng.random() < 0.5  # 5 and five in one story
        self.past = self.rng.random() < 0.4
        self.words: dict[str, str] = {}

    def cast(self, noun_kind: str, may_be_me: bool = False) -> bool:
        """Chooses people and things; false when this split may not tell of them together."""
        choice = self.rng.choice
        self.noun: Noun = choice(NOUNS[noun_kind])
        people: list[Person] = []
        for _ in range(3):
            people.append(a_person(self.source, people))
        if self.rng.random() < 0.08:
            people[0] = somebody(self.source)
        elif may_be_me and self.rng.random() < 0.08:
            people[0] = ME
        self.main = people[0]
        if not may_meet(self.source, self.main.name, self.noun.many):
            return False
        if self.source.split == "train" and not all(
            may_meet(self.source, one.name, self.noun.many) for one in people[1:]
        ):
            return False
        box, kid = choice(NOUNS["container"]), choice(NOUNS["people"])
        first, second = self.rng.sample(_COLOURS, 2)
        self.box, self.kid = box, kid
        self.words = pronouns(self.main) | {
            "N": self.main.name, "O": people[1].name, "O2": people[2].name,
            "t": self.noun.many, "s": self.noun.one, "box": box.one, "boxes": box.many,
            "kid": kid.one, "kids": kid.many,
            "kin": choice(NOUNS["kin"]).one, "shop": choice(NOUNS["shop"]).one,
            "place": choice(NOUNS["place"]).one,
            "c1": first, "c2": second,
        }  # fmt: skip
        return True

    def number(self, value: int) -> str:
        if self.is_mixed and self.rng.random() < 0.5:
            return str(value)
        return as_word(value) if self.in_words else str(value)

    def has(self, name: str) -> bool:
        return _BOOK.has(self.source, name)

    def say(self, name: str, **more) -> str:
        """A phrasing of that name, filled in; numbers among `more` are written as this story writes them."""
        words = self.words
        if more:
            words = words | {
                key: self.number(value) if isinstance(value, int) else value for key, value in more.items()
            }
        text = _BOOK.pick(self.source, name)
        if self.main is ME:
            text = _OWN_VERB.sub(_as_base, _JOINED_VERB.sub(_as_base, text) if text[0] == "@" else text)
            text = in_tense(text, self.past)
            return as_me(text.format_map(Incidental(words, self.rng)))
        return with_right_articles(in_tense(text, self.past).format_map(Incidental(words, self.rng)))


class _Tale:
    """A story as it grows: clauses (without subject, or whole), steps, and the number of things so far."""

    def __init__(self, scene: Scene):
        self.scene = scene
        self.rng = scene.rng
        self.clauses: list[tuple[bool, str]] = []  # (is a whole sentence, text)
        self.steps: list[Step] = []
        self.count = 0

    def step(self, operation: str, right: int) -> None:
        self.steps.append(Step(self.count, operation, right))
        self.count = calculated(self.count, operation, right)

    def first(self, left: int, operation: str, right: int) -> None:
        self.count = left
        self.step(operation, right)

    def say(self, name: str, **more) -> None:
        """Adds a clause: a sentence where the split has some, else a verb phrase; both where both exist."""
        sentence = f"{name}.sentence"
        whole = self.scene.has(sentence) and (not self.scene.has(name) or self.rng.random() < 0.35)
        self.clauses.append((whole, self.scene.say(sentence if whole else name, **more)))


def _open(tale: _Tale) -> None:
    rng = tale.rng
    kind = rng.choices(("own", "groups", "two", "than", "fewer", "times"), (50, 22, 12, 7, 5, 4))[0]
    name = tale.scene.main.name
    if kind == "own":
        tale.count = some_number(rng, 900, 5)
        tale.say("open", x=tale.count)
    elif kind == "groups":
        k = some_number(rng, 60) if rng.random() < 0.25 else rng.randint(2, 12)
        x = some_number(rng, min(99, MOST // k // 2))
        tale.first(k, "*", x)
        tale.say("open.groups", k=k, x=x)
    elif kind == "two":
        x, y = some_number(rng, 600), some_number(rng, 600)
        tale.first(x, "+", y)
        tale.say("open.two", x=x, y=y)
    elif kind == "times":
        x, y = some_number(rng, 300), rng.randint(2, 5)
        tale.first(x, "*", y)
        tale.clauses.append((True, tale.scene.say("open.times", x=x, times=times_in_words(y))))
    else:
        x, y = some_number(rng, 600, 4), some_number(rng, 300)
        if kind == "fewer":
            x, y = max(x, y) + 1, min(x, y)
        tale.first(x, "+" if kind == "than" else "-", y)
        tale.clauses.append((True, tale.scene.say(f"open.{kind}", x=x, y=y)))


def _events(tale: _Tale, how_many: int, kind: str, prefix: str = "") -> None:
    """Adds events; `kind` is the kind of noun, some of which have events of their own."""
    rng, scene = tale.rng, tale.scene
    for _ in range(how_many):
        what = rng.choices(("gain", "loss", "half", "double", "triple"), (42, 46, 6, 4, 2))[0]
        if (what == "half" and tale.count % 2) or (what in ("double", "triple") and tale.count > 800):
            what = "loss"
        if tale.count < 4 or (prefix and what in ("double", "triple")):
            what = "gain"
        if what == "gain":
            x = some_number(rng, 900 if tale.count > 60 else 120)
            tale.say(prefix + "gain", x=x)
            tale.step("+", x)
        elif what == "loss":
            x = some_number(rng, tale.count - 1)
            special = not prefix and f"loss.{kind}" in _BOOK and rng.random() < 0.4
            tale.say(f"loss.{kind}" if special else prefix + "loss", x=x)
            tale.step("-", x)
        elif what == "half":
            tale.say(prefix + "half")
            tale.step("/", 2)
        else:
            tale.say(what)
            tale.step("*", 2 if what == "double" else 3)


def _divisors(number: int, most: int = 15) -> list[int]:
    return [k for k in range(2, most + 1) if number % k == 0 and number > k]


def _question(tale: _Tale, prefix: str = "") -> str:
    """The last sentences, with the steps that they ask for."""
    rng, scene = tale.rng, tale.scene
    shrinks = bool(tale.steps) and tale.steps[-1].operation in "-/"
    plain = "left" if shrinks and rng.random() < 0.7 else "now"
    wanted = rng.random()
    if len(tale.steps) and wanted < 0.5 or len(tale.steps) > 3:
        return scene.say(f"{prefix}{plain}" if prefix else f"ask.{plain}")
    divisors = _divisors(tale.count)
    if wanted < 0.8 and divisors:
        k = rng.choice(divisors)
        if rng.random() < 0.55:
            tale.step("/", k)
            return scene.say(f"{prefix}share" if prefix else "ask.share", k=k)
        text = scene.say(f"{prefix}pack" if prefix else "ask.pack", k=k)
        tale.step("/", k)
        return text
    if prefix:
        return scene.say(prefix + plain) if tale.steps else ""
    if wanted < 0.87:
        k = tale.count + some_number(rng, 200, 1)
        tale.steps.append(Step(k, "-", tale.count))
        tale.count = k - tale.count
        return scene.say("ask.need", k=k)
    if wanted < 0.94:
        k = some_number(rng, 600)
        tale.step("+", k)
        return scene.say("ask.together", k=k)
    k = some_number(rng, 900)
    if k == tale.count:
        k += 1
    less, more = sorted((k, tale.count))
    people = (scene.main.name, scene.words["O2"])
    if k > tale.count:
        people = people[::-1]
    tale.steps.append(Step(more, "-", less))
    tale.count = more - less
    return scene.say("ask.difference", k=k, more=people[0], less=people[1])


def _joined(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]


_HAS_OPENING = re.compile(
    r"(?:Then|Soon|By|On|Later|As|At|For|From|In|With|Without|Before|After|Everyone|Yesterday|Today|Unfortunately|"
    r"Luckily|Meanwhile|One \w+|A \w+ later|The next|Next|That|This)\b"
)


def _opening(scene: Scene, text: str) -> str:
    """What may stand before a whole sentence; in training often a point in time with a number of its own."""
    rng = scene.rng
    if scene.source.split == "test":
        return rng.choice(("Then ", "Later ", "After that, ")) if rng.random() < 0.15 else ""
    if rng.random() > 0.35 or _HAS_OPENING.match(text):
        return ""
    return capitalised(scene.say("opening")) + " "


def _told(tale: _Tale) -> list[str]:
    """The clauses as sentences."""
    scene, rng = tale.scene, tale.rng
    sentences: list[str] = []
    position = 0
    while position < len(tale.clauses):
        whole, text = tale.clauses[position]
        position += 1
        if whole:
            opening = _opening(scene, text) if sentences else ""
            sentences.append(opening + _lower_start(text, scene) if opening else capitalised(text))
            continue
        phrases = [text]
        while position < len(tale.clauses) and not tale.clauses[position][0] and rng.random() < 0.45:
            phrases.append(tale.clauses[position][1])
            position += 1
        joined = _joined(phrases)
        if sentences:
            sentences.append(capitalised(scene.say("link", vp=joined)))
        else:
            sentences.append(capitalised(f"{scene.main.name} {joined}."))
    return sentences


def _lower_start(text: str, scene: Scene) -> str:
    """The sentence behind another word: its first word small, when it is not a name."""
    first = text.split(" ", 1)[0].removesuffix("'s").rstrip(",")
    if first == "I" or first in (scene.main.name, scene.words["O"], scene.words["O2"]):
        return text
    return text[:1].lower() + text[1:]


_WORD = re.compile(r"[a-z]{3,}|km|cm|kg")
_COMMON = set(
    "have with that this they them their there what from many more some does were the and has had are was his her him "
    "she for all one how not now new get got who than each out two three four five six seven eight nine ten then".split()
)
_TOPICS = (
    re.compile(r"[$€£]|\b(?:dollar|euro|pound|coin|money|price|cost|paid|pays?|spend|cent)s?\b"),
    re.compile(r"\b(?:years?|old|older|younger|turn|turns|turned|aged|born)\b"),
)


def may_distract(scene: Scene, text: str, story: str) -> bool:
    """Whether the two speak of different things."""
    if any(topic.search(text) and topic.search(story) for topic in _TOPICS):
        return False
    people = f"{scene.main.name} {scene.words['O']} {scene.words['O2']}".lower().split()
    words = {word.rstrip("s") for word in _WORD.findall(text.lower())} - _COMMON - set(people)
    return not words & {word.rstrip("s") for word in _WORD.findall(story.lower())}


def _with_distractor(tale: _Tale, sentences: list[str], name: str = "distractor") -> None:
    """Adds a sentence with a number that does not matter; training has more of them than the test."""
    rng, scene = tale.rng, tale.scene
    is_training = scene.source.split == "train"
    if rng.random() < (0.25 if is_training else 0.1) and sentences:
        place = 1 if len(sentences) < 3 else rng.randint(1, len(sentences) if is_training else 2)
        text = capitalised(scene.say(name, d=rng.randint(3, 14)))
        if not is_training or may_distract(scene, text, " ".join(sentences)):
            sentences.insert(place, text)


def tell_tale(source: Source) -> Story | None:
    """A story put together from pieces; None when the choices did not fit."""
    rng = source.rng
    kind = rng.choices(("thing", "food", "animal"), (55, 35, 10))[0]
    scene = Scene(source)
    form = rng.random()
    if not scene.cast(kind, may_be_me=form >= 0.24):
        return None
    tale = _Tale(scene)
    events = rng.choices((0, 1, 2, 3), (12, 40, 36, 12))[0]
    if form < 0.06:
        text = _terse(tale, max(events, 1))
    elif form < 0.24:
        scene.past = scene.past and rng.random() < 0.5
        text = _of_a_place(tale, events, kind)
    elif form < 0.42:
        text = _question_first(tale, max(events, 1), kind)
    else:
        _open(tale)
        _events(tale, events, kind)
        question = _question(tale)
        sentences = _told(tale)
        _with_distractor(tale, sentences)
        text = " ".join([*sentences, capitalised(question)])
    if scene.main is ME:
        text = as_me(text)
    if not text or not tale.steps or any(calculated(s.left, s.operation, s.right) > MOST for s in tale.steps):
        return None
    return Story(text, str(tale.count), tale.steps)


def _of_a_place(tale: _Tale, events: int, kind: str) -> str:
    rng, scene = tale.rng, tale.scene
    scene.past = False
    if rng.random() < 0.4:
        k, x = rng.randint(2, 24), some_number(rng, 90)
        tale.first(k, "*", x)
        sentences = [scene.say("place.groups", k=k, x=x)]
    else:
        tale.count = some_number(rng, 900, 6)
        sentences = [scene.say("place.open", x=tale.count)]
    _events(tale, events, kind, "place.")
    for _, text in tale.clauses:
        opening = _opening(scene, text) if scene.source.split == "train" else ""
        sentences.append(opening + _lower_start(text, scene) if opening else text)
    if scene.source.split == "train":
        _with_distractor(tale, sentences, "place.distractor")
    question = _question(tale, "place.")
    return " ".join(capitalised(text) for text in [*sentences, question]) if question else ""


def _question_first(tale: _Tale, events: int, kind: str) -> str:
    """'How many apples does Tom have left if he has 12, buys 5 more and eats 3?'"""
    rng, scene = tale.rng, tale.scene
    tale.say = lambda name, **more: tale.clauses.append((False, scene.say(name, **more)))
    tale.count = some_number(rng, 900, 5)
    if rng.random() < 0.3:
        k, x = rng.randint(2, 12), some_number(rng, 60)
        tale.first(k, "*", x)
        tale.say("open.groups", k=k, x=x)
    else:
        tale.say("open", x=tale.count)
    _events(tale, events, kind)
    shrinks = tale.steps[-1].operation in "-/"
    story = _joined([text for _, text in tale.clauses])
    return capitalised(
        scene.say("first.left" if shrinks and rng.random() < 0.7 else "first.now", story=story)
    )


# What may stand before the numbers of a short note, with their signs.
_JOINTS = (
    ", {}{}", " {} {}", ", {} {}", "; {}{}", "; {} {}", " -> {}{}", " → {}{}", ". {}{}", "\n{}{}", "\n{} {}", " / {}{}",
    " | {}{}", " > {}{}", " ... {}{}", ", then {}{}", " then {}{}", "\n- {}{}", "\n* {}{}", " and {}{}",
)  # fmt: skip


def _terse(tale: _Tale, events: int) -> str:
    rng, scene = tale.rng, tale.scene
    scene.in_words = False
    start = tale.count = some_number(rng, 900, 6)
    signs = words = ""
    joint = rng.choice(_JOINTS) if scene.source.split == "train" and rng.random() < 0.6 else ""
    for _ in range(events):
        if tale.count < 4 or rng.random() < 0.5:
            x = some_number(rng, 200)
            signs, words = signs + f"{rng.choice((', ', ' '))}+{x}", words + scene.say("terse.plus", x=x)
            tale.step("+", x)
        else:
            x = some_number(rng, tale.count - 1)
            signs, words = signs + f"{rng.choice((', ', ' '))}-{x}", words + scene.say("terse.minus", x=x)
            tale.step("-", x)
    if joint:
        signs = re.sub(r",? ([+-])(\d+)", lambda match: joint.format(match[1], match[2]), signs)
        words = words.replace(", ", joint.split("{")[0])
    return scene.say("terse", x=start, signs=signs, words=words)
