"""Checks the work on problems of rules: reads the lines, and works out from the key, which names readings and
rules, what each line should say.

Key: kind|name=value,...|join(condition,...)>outcome;...|outcome when no rule applies
"""

from __future__ import annotations

import re

from problem import Problem

_JOINED = re.compile(r" ((?:not )?(?:true|false)(?: (?:and|or) (?:not )?(?:true|false))*) = (true|false)")
_KEYED = re.compile(r"(.+?)(>=|<=|=|>|<)(.+)")


def _is_so(name: str, comparison: str, wanted: str, readings: dict[str, str]) -> bool:
    actual = readings[name]
    if comparison == "=":
        return actual == wanted
    difference = float(actual) - float(wanted)
    return (
        difference > 0
        if comparison == ">"
        else difference < 0 if comparison == "<" else difference * (1 if comparison == ">=" else -1) >= 0
    )


def _compared(actual: str, comparison: str, wanted: str) -> str:
    """`82>75? 82>75`: the comparison that is asked about, then the one that is so."""
    signs = [sign for sign, so in (("<", float(actual) < float(wanted)), (">", float(actual) > float(wanted))) if so]
    return f"{actual}{comparison}{wanted}? {actual}{(signs or ['='])[0]}{wanted}"


def check_rule(problem: Problem) -> str | None:
    """Every condition is looked at and rightly joined, in the rules' order, and the outcome is theirs."""
    kind, state, told, fallback = problem.keys[0].removeprefix("rule:").split("|")
    readings = dict(reading.split("=") for reading in state.split(","))
    question = " ".join(" ".join(message["content"] for message in problem.messages).lower().split())
    words = [word for reading in readings.items() for word in reading]
    untold = [word for word in words if word.lower() not in question]
    if len(untold) > 1 or any(word[0].isdigit() for word in untold):  # one word may be mistyped
        return f"the question does not tell {untold}"
    lines = problem.thinking.split("\n")
    position = 0
    outcomes, results = [], []
    for entry in told.split(";"):
        condition_text, _, outcome = entry.rpartition(">")
        form = re.fullmatch(r"(\w*)\((.*)\)", condition_text)
        join, conditions = (form[1], form[2].split(",")) if form else ("", [condition_text])
        truths = []
        for condition in conditions:
            name, comparison, wanted = _KEYED.fullmatch(condition).groups()
            truth = _is_so(name, comparison, wanted, readings)
            truths.append(truth)
            written = f"{wanted}? {readings[name]}" if comparison == "=" else _compared(readings[name], comparison, wanted)
            if wanted[0].isdigit() and wanted not in question:
                return f"the question does not tell {wanted}"
            if lines[position] != f" {name} {written} {'true' if truth else 'false'}":
                return f"'{lines[position]}' does not say whether {name} {written}"
            position += 1
        result = {"not": not truths[0], "or": any(truths), "unless": truths[0] and not truths[-1]}.get(
            join, all(truths)
        )
        if join:
            joined = _JOINED.fullmatch(lines[position])
            if not joined or _value_of(joined[1]) != (joined[2] == "true") or (joined[2] == "true") != result:
                return f"'{lines[position]}' is wrong"
            if [word == "true" for word in re.findall("true|false", joined[1])] != truths:
                return f"'{lines[position]}' does not join the lines before it"
            position += 1
        if kind in ("only", "never", "both"):
            bearing = "only if" if kind != "never" and not results else "not if"
            if lines[position] != f" {bearing} {'true' if result else 'false'}":
                return f"'{lines[position]}' does not say what the conditions bear on"
            position += 1
        results.append(result)
        if result:
            outcomes.append(outcome)
        if result if kind in ("action", "hysteresis", "range") else kind == "both" and not result:
            break  # the first rule that applies counts; what is not allowed by one needs no other
    if kind == "bare":
        wanted = "alarm: " + ", ".join(outcomes) if outcomes else fallback
    elif kind in ("only", "never", "both"):
        allowed = {"only": [True], "never": [False], "both": [True, False]}[kind]
        wanted = "yes" if results == allowed else "no"
    else:
        wanted = outcomes[0] if outcomes else fallback
    if problem.answer != wanted:
        return f"the answer should be {wanted}, not {problem.answer}"
    goes_on = (kind == "hysteresis" and fallback != "keep") or (kind == "range" and fallback == "yes")
    if len(lines) != position + (2 if goes_on else 1) or not lines[-1].endswith(problem.answer):
        return f"the work does not end with the answer {problem.answer}"
    return None


def _value_of(text: str) -> bool:
    """`true and not false`, of one kind of join."""
    parts = re.split(" and | or ", text)
    truths = [(part.endswith("true")) != part.startswith("not ") for part in parts]
    return any(truths) if " or " in text else all(truths)
