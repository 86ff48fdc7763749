"""Checks the work on order puzzles against all orders that fit the facts.

Key: the facts in the order in which they are told, then what is asked, as in `order:Tom>Ann,Bob>Tom:top 1`.
"""

from __future__ import annotations

import itertools
import re

from problem import Problem

_FACT = re.compile(r" ([^<>,]+) ([<>]) ([^<>,]+), ([^<>,]+) ([<>]) ([^<>,]+)")


def check_order(problem: Problem) -> str | None:
    """The facts are the puzzle's, every line holds in all orders that fit them, and the answer is theirs."""
    _, told, asked = problem.keys[0].split(":")
    sign = "<" if "<" in told else ">"
    pairs = [tuple(pair.split(sign)) for pair in told.split(",")]
    names = sorted({name for pair in pairs for name in pair})
    question = problem.messages[-1]["content"]
    absent = [
        name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question, re.IGNORECASE)
    ]
    if len(absent) > 1:  # one may be mistyped
        return f"the question does not mention {absent}"
    orders = [
        one
        for one in itertools.permutations(names)
        if all(one.index(before) < one.index(behind) for before, behind in pairs)
    ]
    lines = problem.thinking.split("\n")
    for pair, line in zip(pairs, lines):
        fact = _FACT.fullmatch(line)
        if (
            not fact
            or (fact[1], fact[3]) != pair
            or (fact[4], fact[6]) != pair[::-1]
            or fact[2] != sign
            or fact[5] == sign
        ):
            return f"'{line}' does not state that {pair[0]} {sign} {pair[1]}"
    least = (
        3
        if asked.startswith(("whether", "middle", "upper", "lower"))
        else 1 if asked in ("top 1", "bottom 1") else 2
    )
    if len(lines) < len(pairs) + least:
        return "the work stops too early"
    for line in lines[len(pairs) :]:
        if line.startswith(" middle: "):
            continue
        if line is lines[-1] and asked.startswith("whether"):
            claim, _, line = line.partition("?")
            if claim != f" {_names_in(asked)[0]} {sign} {_names_in(asked)[1]}":
                return f"'{claim}' is not what is asked"
        words = re.split(r" ([<>]) ", line.removeprefix(" "))
        signs = set(words[1::2])
        if (
            not line.startswith(" ")
            or len(signs) > 1
            or not signs <= {"<", ">"}
            or not set(words[::2]) <= set(names)
        ):
            return f"'{line}' is no chain of names"
        chain = words[::2] if signs == {sign} else words[::-2]
        for one in orders:
            if any(one.index(before) > one.index(behind) for before, behind in zip(chain, chain[1:])):
                return f"'{line}' does not follow"
    answers = {_answer_in(one, asked) for one in orders}
    if answers != {problem.answer} and answers != {{"true": "yes", "false": "no"}.get(problem.answer)}:
        return f"the answer is one of {answers}, not {problem.answer}"
    if problem.answer not in ("yes", "no", "true", "false"):
        last = [word for word in re.split(r" [<>] |middle: ", lines[-1].removeprefix(" ")) if word]
        given = problem.answer.split(", ")
        if asked.startswith("between"):
            if not set(_names_in(asked)) <= set(last):
                return f"'{lines[-1]}' does not go from one to the other"
            last = last[:-1]
        if asked.startswith(("top", "bottom")) and len(last) < int(asked.split(" ")[1]):
            return f"'{lines[-1]}' does not go as far as the place that is asked for"
        if asked.startswith("upper"):
            last = last[::-1]
        if last[-len(given) :] != given:
            return f"'{lines[-1]}' does not end with the answer {problem.answer}"
    return None


def _names_in(asked: str) -> list[str]:
    """What stands behind the kind of question; a name of two words is one with a line between them."""
    return [part.replace("_", " ") for part in asked.split(" ")[1:]]


def _answer_in(names: tuple[str, ...], asked: str) -> str:
    """What the answer would be if this were the order."""
    what, arguments = asked.split(" ")[0], _names_in(asked)
    if what in ("top", "bottom"):
        return names[int(arguments[0]) - 1] if what == "top" else names[-int(arguments[0])]
    if what in ("down", "up"):
        return ", ".join(names if what == "down" else names[::-1])
    if what == "middle":
        return names[len(names) // 2]
    if what == "between":
        return names[(names.index(arguments[0]) + names.index(arguments[1])) // 2]
    if what in ("upper", "lower"):
        return sorted(arguments, key=names.index)[0 if what == "upper" else 1]
    return "yes" if names.index(arguments[0]) < names.index(arguments[1]) else "no"
