"""Answers in JSON: the problems of the other families, asked by a program that wants to read the answer."""

from __future__ import annotations

import json
import re

from families.refusals import FILLERS
from phrasings import load_phrasings
from problem import Problem, Source

_PHRASES = load_phrasings("json")
_SYSTEM = load_phrasings("system")
_BASES = (
    *("add", "sub", "mul", "div", "percent", "word", "sort", "equation", "unit"),
    *("add", "sub", "mul", "div", "percent", "fraction", "equation", "system", "compare", "order", "truth"),
)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_EQUATION = re.compile(r"([a-z]) = (\S+)")
_QUOTIENT = re.compile(r"(\d+)(?: remainder (\d+))?")
_DIVISION_KEY = re.compile(r"div:(\d+)/(\d+)")
_CALCULATION_KEY = re.compile(r"(add|mul):(\d+)[+*](\d+)")
_ANY_KEYS = (
    "answer answer answer result result result value output solution res number ans final response "
    "data total text reply out"
).split()
_KEYS = {
    "add": "sum sum total".split(),
    "sub": "difference difference rest left".split(),
    "mul": "product product total".split(),
    "percent": "amount number value".split(),
    "fraction": "value number".split(),
    "sort": "sorted sorted list numbers order items".split(),
    "order": "name person who".split(),
    "truth": "truth is_true valid boolean".split(),
    "compare": "number winner value".split(),
    "unit": "converted quantity amount".split(),
    "word": "count number amount".split(),
}
_TWO_KEYS = (
    ("quotient", "remainder"),
    ("quotient", "remainder"),
    ("q", "r"),
    ("result", "rest"),
    ("quotient", "rest"),
)


def _value(text: str):
    """An answer as JSON has it: a number's digits (as a string, to keep them), a boolean, or a text."""
    if _NUMBER.fullmatch(text):
        return text, "number"
    if text in ("true", "false"):
        return text, "boolean"
    return json.dumps(text, ensure_ascii=False), "string"


def _object(items: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f'"{key}": {value}' for key, value in items) + "}"


def _list(text: str) -> str:
    return "[" + ", ".join(_value(item)[0] for item in text.split(", ")) + "]"


def _key(family: str, source: Source) -> str:
    kind = source.rng.random()
    if kind < 0.12:
        return source.rng.choice(FILLERS["noun"])
    if kind < 0.45 and family in _KEYS:
        return source.rng.choice(_KEYS[family])
    return source.rng.choice(_ANY_KEYS)


def _schema(key: str, kind: str, source: Source) -> str:
    properties = {key: {"type": kind}}
    if source.chance(0.4):
        return json.dumps({"properties": properties})
    schema = {"type": "object", "properties": properties}
    if source.chance(0.5):
        schema["required"] = [key]
    return json.dumps(schema, separators=(",", ":") if source.chance(0.4) else None)


def _is_complete(problem: Problem, match: re.Match) -> bool:
    """Whether the answer of a division is quotient and remainder, not only one of them."""
    division = _DIVISION_KEY.fullmatch(problem.keys[0])
    return division is not None and divmod(*map(int, division.groups())) == (
        int(match.group(1)),
        int(match.group(2) or 0),
    )


def _ask_and_answer(problem: Problem, source: Source) -> tuple[str, str, bool]:
    """The request, the answer in JSON, and whether the request may stand in front of the question."""
    family, answer = problem.family, problem.answer

    def say(section: str, **slots) -> str:
        return source.phrase(*_PHRASES[section]).format(**slots)

    if family == "div" and (match := _QUOTIENT.fullmatch(answer)) and _is_complete(problem, match):
        quotient, remainder = match.group(1), match.group(2) or "0"
        if source.chance(0.6):
            first, second = source.rng.choice(_TWO_KEYS)
            return say("two", k=first, l=second), _object([(first, quotient), (second, remainder)]), False
        if match.group(2):
            return say("any"), _object([("quotient", quotient), ("remainder", remainder)]), False
    if family == "system":
        unknowns = _EQUATION.findall(answer.replace(",", ""))
        if len(unknowns) == 2:
            text = _object([(name, _value(value)[0]) for name, value in unknowns])
            return (
                say("two", k=unknowns[0][0], l=unknowns[1][0]) if source.chance(0.5) else say("any"),
                text,
                False,
            )
    if family == "equation" and (match := _EQUATION.fullmatch(answer)):
        name, value = match.group(1), _value(match.group(2))
        if source.chance(0.5):
            return say("any"), _object([(name, value[0])]), True
        key = name if source.chance(0.5) else _key(family, source)
        return say("key", k=key), _object([(key, value[0])]), False
    if family == "sort" and ", " in answer:
        if source.chance(0.4):
            return say("list"), _list(answer), False
        key = _key(family, source) if source.chance(0.6) else "answer"
        return say("key", k=key), _object([(key, _list(answer))]), False
    if (match := _CALCULATION_KEY.fullmatch(problem.keys[0])) and source.chance(0.25):
        # The numbers in the order in which the question says them.
        said = [number for number in re.findall(r"\d+", problem.messages[-1]["content"])]
        if sorted(said) == sorted(match.group(2, 3)) and _NUMBER.fullmatch(answer):
            names = ["a", "b", source.rng.choice(_KEYS[family] + ["result", "answer"])]
            text = _object(list(zip(names, (*said, answer))))
            return say("three", k=names[0], l=names[1], m=names[2]), text, False
    value, kind = _value(answer)
    style = source.rng.random()
    if style < 0.35:
        return say("before") if style < 0.1 else say("any"), _object([("answer", value)]), style < 0.1
    key = _key(family, source)
    text = _object([(key, value)])
    if style < 0.45:
        return say("schema", schema=_schema(key, kind, source)), text, False
    if style < 0.55:
        return say("before key", k=key), text, True
    return say("key", k=key), text, False


def _joined(question: str, request: str, is_before: bool, source: Source) -> str:
    if is_before:
        return request + source.rng.choice((" ", " ", "\n")) + question
    if question[-1] in ".?!:":
        return question + source.rng.choice((" ", " ", " ", "\n")) + request
    return question + source.rng.choice((". ", ", ", " - ", "\n", "; ", " ")) + request


def make_json(source: Source) -> Problem:
    """A problem of another family whose answer is to be JSON; the work is the same."""
    from families import all_families  # not above: this module is one of them

    problem = all_families()[source.rng.choice(_BASES)](source)
    request, answer, may_stand_before = _ask_and_answer(problem, source)
    *earlier, last = problem.messages
    is_before = may_stand_before and (request.endswith((":", ".")) or source.chance(0.3))
    if not earlier and not is_before and source.chance(0.06) and "schema" not in request:
        messages = [{"role": "system", "content": request}, last]
    else:
        messages = [
            *earlier,
            {"role": "user", "content": _joined(last["content"], request, is_before, source)},
        ]
    return Problem("json", messages, problem.thinking, answer, [f"json:{problem.keys[0]}", *problem.keys])


# The work's words for an answer's (blanks apart); none where a sign says it.
_SAID_AS = {"yes": "", "no": "", "true": "", "false": "", "cannottell": "unknown", "0": ""}


def check_json(problem: Problem) -> str | None:
    """The answer is JSON whose values the work or the question says; the work's own family checks the work."""
    values = json.loads(problem.answer, parse_float=str, parse_int=str)
    if problem.keys[1].startswith("truth:"):  # whose answers count and name lines of the work
        return None
    values = list(values.values()) if isinstance(values, dict) else [values]
    said = (problem.thinking + problem.messages[-1]["content"]).replace(" ", "")
    for value in values:
        for item in value if isinstance(value, list) else [value]:
            text = str(item).lower() if isinstance(item, bool) else str(item)
            for piece in text.lstrip("$€£").split(", "):
                piece = piece.replace(" ", "")
                if piece not in said and _SAID_AS.get(piece, piece) not in said:
                    return f"neither the work nor the question says '{text}'"
    return None


FAMILIES = {"json": make_json}
CHECKS = {"json": check_json}
