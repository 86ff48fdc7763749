"""Checks the work on what is true, with an evaluator of its own that reads the lines as text.

Keys: expression|variable=1,...[|question], `which expression` and so on for tables,
rules;fact|what is asked|question.
"""

from __future__ import annotations

import re

from problem import Problem


def _truth_of(text: str, values: dict[str, bool] | None = None) -> bool:
    """The value of an expression in words: not before and before or/xor before implies."""
    words = text.replace("(", " ( ").replace(")", " ) ").split()
    known = {"true": True, "false": False} | (values or {})
    operations = {"and": lambda a, b: a and b, "or": lambda a, b: a or b, "xor": lambda a, b: a != b}
    operations["implies"] = lambda a, b: not a or b

    def level(place: int, names: tuple[tuple[str, ...], ...]) -> tuple[bool, int]:
        if not names:
            return single(place)
        value, place = level(place, names[1:])
        while place < len(words) and words[place] in names[0]:
            operation = words[place]
            right, place = level(place + 1, names[1:])
            value = operations[operation](value, right)
        return value, place

    def single(place: int) -> tuple[bool, int]:
        if words[place] == "not":
            value, place = single(place + 1)
            return not value, place
        if words[place] == "(":
            value, place = level(place + 1, order)
            if words[place] != ")":
                raise ValueError(text)
            return value, place + 1
        return known[words[place]], place + 1

    order = (("implies",), ("or", "xor"), ("and",))
    value, place = level(0, order)
    if place != len(words):
        raise ValueError(text)
    return value


def check_truth(problem: Problem) -> str | None:
    """Values are the question's, each line follows by one operation, rules do what they say."""
    lines = [line.removeprefix(" ") for line in problem.thinking.split("\n")]
    if any(not line.startswith(" ") for line in problem.thinking.split("\n")):
        return "a line does not begin with a space"
    parts = problem.keys[0].removeprefix("truth:").split("|")
    try:
        if "->" in parts[0]:
            return _check_conclusion(lines, parts[0].split(";"), parts[1], problem.answer)
        if len(parts) == 1:
            return _check_table(lines, parts[0], problem.answer)
        return _check_reduction(lines, parts[0], parts[1], problem.answer)
    except (ValueError, KeyError, IndexError) as wrong:
        return f"not an expression: {wrong}"


_OPERATION = re.compile(
    r"\( (true|false) (and|or|xor|implies) (true|false) \)"
    r"|(true|false) (and|or|xor|implies) (true|false)|not (true|false)|\( not (?:true|false) \)"
)


def _follows_by_one_operation(before: str, after: str) -> bool:
    """Whether one operation, or one `not`, replaced by its value makes the one line the other."""
    for start in [0, *(place.end() for place in re.finditer(" ", before))]:
        found = _OPERATION.match(before, start)
        if found and not (found[4] and before[:start].endswith("not ")):
            value = "true" if _truth_of(found[0]) else "false"
            if before[:start] + value + before[found.end() :] == after:
                return _truth_of(before) == _truth_of(after)
    return False


def _check_chain(parts: list[str]) -> str | None:
    for before, after in zip(parts, parts[1:]):
        if not _follows_by_one_operation(before, after):
            return f"'{after}' does not follow from '{before}'"
    return None if parts[-1] in ("true", "false") else f"'{parts[-1]}' can be reduced"


def _filled_in(expression: str, values: dict[str, bool]) -> str:
    return " ".join(str(values[word]).lower() if word in values else word for word in expression.split())


def _check_reduction(lines: list[str], expression: str, given: str, answer: str) -> str | None:
    values = {pair.split("=")[0]: pair.endswith("1") for pair in given.split(",")}
    told = [f"{name}: {str(value).lower()}" for name, value in values.items()]
    if lines[: len(told)] == told:
        lines = lines[len(told) :]
    else:
        if lines[0] != expression:
            return f"'{lines[0]}' is not '{expression}'"
        if lines[1] != ", ".join(told).replace(":", ""):
            return f"'{lines[1]}' does not give the values {told}"
        lines = lines[2:]
    if lines[0] != _filled_in(expression, values):
        return f"'{lines[0]}' is not '{expression}' with {values}"
    wrong = _check_chain(lines)
    if wrong:
        return wrong
    if {"yes": "true", "no": "false"}.get(answer, answer) != lines[-1]:
        return f"the work says {lines[-1]}, the answer {answer}"
    return None


def _check_table(lines: list[str], task: str, answer: str) -> str | None:
    asked, _, expression = task.partition(" ")
    results = {}
    for line in lines:
        row, _, chain = line.partition(": ")
        values = {pair.split(" ")[0]: pair.endswith("true") for pair in row.split(", ")}
        parts = chain.split(" = ")
        if parts[0] != _filled_in(expression, values):
            return f"'{parts[0]}' is not '{expression}' in the row '{row}'"
        wrong = _check_chain(parts)
        if wrong:
            return wrong
        results[row] = parts[-1]
    if len(results) not in (2, 4) or len(results) != len(lines):
        return "the table is not complete"
    true_rows = [row for row, value in results.items() if value == "true"]
    wanted = {
        "which": "; ".join(true_rows) or "never",
        "count": str(len(true_rows)),
        "always": "yes" if len(true_rows) == len(results) else "no",
        "table": "; ".join(f"{row}: {value}" for row, value in results.items()),
    }[asked]
    return None if answer == wanted else f"the answer should be {wanted}"


def _check_conclusion(lines: list[str], premises: list[str], asked: str, answer: str) -> str | None:
    if lines[: len(premises)] != premises:
        return f"the work does not begin with {premises}"
    if lines[-1].split(":")[0].split(" ")[-1] != asked:
        return f"'{lines[-1]}' is not what is asked, {asked}"
    rules, known = [], {}

    def literal(text: str) -> tuple[str, bool]:
        return (text.removeprefix("not "), not text.startswith("not "))

    for position, line in enumerate(lines):
        if "->" in line:
            left, _, right = line.partition(" -> ")
            rules.append((literal(left), literal(right)))
            continue
        what, _, value = line.partition(": ")
        event = what.split(" ")[-1]
        if value == "unknown":
            if any(_follows(rules, known, (event, truth)) for truth in (True, False)):
                return f"'{line}' is known"
            return (
                None if answer == "cannot tell" and position == len(lines) - 1 else f"the answer is {answer}"
            )
        if value not in ("true", "false"):
            return f"'{line}' is no value"
        if known and not _follows(rules, known, (event, value == "true")):
            return f"'{line}' does not follow"
        known[event] = value == "true"
    return None if answer == ("yes" if value == "true" else "no") else f"the answer is {answer}"


def _follows(rules, known: dict[str, bool], wanted: tuple[str, bool]) -> bool:
    """Whether one rule, or its contraposition, gives what is wanted from what is known."""
    for (p, p_value), (q, q_value) in rules:
        if known.get(p) == p_value and wanted == (q, q_value):
            return True
        if q in known and known[q] != q_value and wanted == (p, not p_value):
            return True
    return False
