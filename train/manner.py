"""A person's manner of writing: greetings, politeness, casing and spacing around a question."""

import re

from phrasings import load_phrasings
from problem import Problem, Source

_PHRASES = load_phrasings("manner")
_SYSTEM = load_phrasings("system")
# Letters that mean something (names, units, unknowns, JSON keys) keep their case in these families.
_KEEPS_CASE = frozenset({"order", "unit", "json", "tool", "equation", "system", "truth", "rule", "refuse"})
# Answers that copy words of the question, as they stand there.
_COPIES_WORDS = frozenset({"tool", "json"})
# A request for JSON or a call's arguments would be blurred by words behind it.
_KEEPS_END = frozenset({"json", "tool", "order", "sort", "system"})
_NAME_INSIDE = re.compile(
    r"(?<=[a-z,] )[A-Z][a-z]+|^[A-Z][a-z]+(?= (?:has|had|buys|is|bought|gave|gives|wants|sells|and)\b)"
)
_STARTS_WITH_WORD = re.compile(r"[A-Z][a-z]+ ")
_BARE = re.compile(r"[-\d\s.+*/x×÷:=?()]+")


def in_a_persons_manner(problem: Problem, source: Source) -> Problem:
    """The problem with its last question in somebody's manner: often as it is, never with another meaning."""
    rng = source.rng
    messages = problem.messages
    # An interface's standing text in front of the conversation.
    if len(messages) == 1 and rng.random() < 0.05:
        messages = [{"role": "system", "content": source.phrase(*_SYSTEM["plain"])}, *messages]
    if rng.random() < 0.35 and messages[-1]["role"] == "user":
        text = _changed(messages[-1]["content"], problem.family, source)
        messages = [*messages[:-1], {**messages[-1], "content": text}]
    if messages is problem.messages:
        return problem
    return Problem(problem.family, messages, problem.thinking, problem.answer, problem.keys)


def _changed(text: str, family: str, source: Source) -> str:
    """One to three changes of manner."""
    rng = source.rng
    kind = rng.random()
    if kind < 0.30:
        return _with_prefix(text, family, source)
    if kind < 0.45:
        return _with_suffix(text, family, source)
    if kind < 0.55:
        return _with_suffix(_with_prefix(text, family, source), family, source)
    if kind < 0.72:
        return _lower_case(text, family)
    if kind < 0.75:
        return text if family in _COPIES_WORDS else _mistyped(text, source)
    if kind < 0.87:
        return _end_changed(text, source)
    if kind < 0.93:
        return _spaced(text, family, source)
    return _with_prefix(_end_changed(_lower_case(text, family), source), family, source)


def _with_prefix(text: str, family: str, source: Source) -> str:
    """A greeting, an announcement or "please" in front."""
    if family == "refuse" and len(text) < 12:
        return text
    kind = source.rng.random()
    if kind < 0.25 and text.split(" ", 1)[0] in _IMPERATIVES:
        return source.phrase(*_PHRASES["please"]) + text[0].lower() + text[1:]
    section = "announcement" if kind < 0.65 else "greeting"
    prefix = source.phrase(*_PHRASES[section])
    if prefix.endswith(",") and text.split(" ", 1)[0] in _QUESTION_WORDS:
        text = text[0].lower() + text[1:]
    return f"{prefix} {text}" if source.rng.random() < 0.93 else f"{prefix}\n{text}"


def _with_suffix(text: str, family: str, source: Source) -> str:
    """ "Thanks!", "please" or the like behind."""
    if family in _KEEPS_END or _BARE.fullmatch(text):
        return text
    if text[-1] in ".?!":
        return f"{text} {source.phrase(*_PHRASES['thanks'])}"
    return text + source.phrase(*_PHRASES["please at the end"])


def _lower_case(text: str, family: str) -> str:
    """All small letters, as typed in haste; only the first where names or symbols stand in the text."""
    if family in _KEEPS_CASE:
        if text.split(" ", 1)[0] in _QUESTION_WORDS | _IMPERATIVES:
            return text[0].lower() + text[1:]
        return text
    if _NAME_INSIDE.search(text):
        first, _, rest = text.partition(" ")
        return f"{first.lower()} {rest}" if first in _QUESTION_WORDS | _IMPERATIVES else text
    return text.lower()


def _end_changed(text: str, source: Source) -> str:
    """The last mark lost or doubled."""
    kind = source.rng.random()
    if text[-1] == "?" and text[-2:] not in ("= ?", "=?"):
        if kind < 0.6:
            return text[:-1].rstrip()
        return text + "?" if kind < 0.8 else text[:-1] + " ?"
    if text[-1] == ".":
        return (
            text[:-1]
            if kind < 0.75 and not text.endswith("..")
            else text[:-1] + "!" if text[-2:-1].isalpha() else text
        )
    return text + "?" if kind < 0.15 and text[-1].isdigit() else text


def _spaced(text: str, family: str, source: Source) -> str:
    """A blank too many, or a line end behind."""
    kind = source.rng.random()
    if kind < 0.4:
        return text + source.rng.choice(("\n", " ", "  ", "\n\n"))
    if kind < 0.6:
        return " " + text
    blanks = [i for i, letter in enumerate(text) if letter == " "]
    if not blanks or family in _COPIES_WORDS:
        return text + " "
    i = source.rng.choice(blanks)
    return text[:i] + " " + text[i:]


def _mistyped(text: str, source: Source) -> str:
    """A slip of the finger in one of the words that every question has; none in names, units or numbers."""
    places = [match.span() for match in _WORD.finditer(text) if match.group().lower() in _OFTEN_MISTYPED]
    if not places:
        return text
    start, end = source.rng.choice(places)
    i = source.rng.randrange(start, end - 1)
    kind = source.rng.random()
    if kind < 0.4:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    if kind < 0.7:
        return text[:i] + text[i + 1 :]
    return text[:i] + text[i] + text[i:]


_WORD = re.compile(r"[A-Za-z']+")
_OFTEN_MISTYPED = frozenset(
    "what what's which many much calculate compute please find give tell solve convert from does "
    "have there divided times"
    " multiply divide subtract between difference product percent number numbers answer together "
    "left order largest"
    " smallest sort simplify fraction equation value result total each could would know need where "
    "temperature open"
    " light about write make take more than people days hours they with after then".split()
)
_QUESTION_WORDS = frozenset(
    "What What's How Which Who Is Are Can Could Does Do Did If When Where Whose Would Will Given "
    "Suppose There The A An".split()
)
_IMPERATIVES = frozenset(
    "Add Calculate Compute Work Find Give Tell Solve Evaluate Simplify Convert Sort Order Arrange "
    "Put Multiply Divide Subtract Take"
    " Compare Write Express Determine Show List Rank Say Name Decide Check Set Turn Switch Reduce "
    "Increase Decrease Split".split()
)
