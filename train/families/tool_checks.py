"""Checks that a tool call was offered and asked for, and that the answer is what the tool reported."""

from __future__ import annotations

import json
import re

from families.refusals import REFUSAL, REFUSAL_WORK
from families.tool_slots import OPERATION_NAMES, OPERATIONS
from problem import Problem


def check_tool(problem: Problem) -> str | None:
    """A call names an offered tool, with arguments that the question says; other answers follow from their work."""
    if problem.answer == REFUSAL:
        return None if problem.thinking == REFUSAL_WORK else "not the refusal's thinking"
    if problem.answer.startswith("<|tool_call|>"):
        return _check_call(problem)
    if problem.messages[-1]["role"] == "tool":
        return _check_report(problem)
    from verify import verify  # not above: it imports this module

    family = problem.keys[1].partition(":")[0]
    return verify(Problem(family, problem.messages[1:], problem.thinking, problem.answer, problem.keys[1:]))


def _check_call(problem: Problem) -> str | None:
    calls = json.loads(problem.answer.removeprefix("<|tool_call|>").removesuffix("<|/tool_call|>"))
    name, arguments = calls[0]["name"], calls[0]["arguments"]
    offered = {}
    for entry in json.loads(problem.messages[0]["tools"]):
        function = entry.get("function", entry)
        offered[function["name"]] = function.get("parameters", {})
    if name not in offered:
        return f"'{name}' is not among the tools {list(offered)}"
    if problem.thinking != f" tool {name}":
        return f"the thinking '{problem.thinking}' does not name '{name}'"
    parameters = offered[name]
    properties = parameters.get("properties", {}) if parameters.get("type") == "object" else parameters
    missing = set(parameters.get("required", ())) - set(arguments)
    if missing or not set(arguments) <= set(properties):
        return f"arguments {list(arguments)} of '{name}', which takes {list(properties)}"
    question = next(
        message["content"] for message in reversed(problem.messages) if message["role"] == "user"
    ).lower()
    for value in arguments.values():
        text = str(value).lower()
        if text in OPERATIONS or text in OPERATION_NAMES.values():
            continue
        pieces = re.findall(r"[\d.]+", text) if re.search(r"\d\)* [-+*/]", text) else [text]
        if not all(piece in question for piece in pieces):
            return f"the argument '{value}' is not in the question"
    return None


def _check_report(problem: Problem) -> str | None:
    content, answer = problem.messages[-1]["content"], problem.answer
    if answer == "Done.":
        return None if problem.thinking == " done" and "rror" not in content else "not done"
    if answer.startswith("The tool failed: "):
        failure = answer.removeprefix("The tool failed: ")
        return (
            None
            if failure in content and problem.thinking == f" error: {failure}"
            else "another failure was reported"
        )
    if problem.thinking != f" result: {answer}":
        return "the answer is not the result"
    said = content + problem.messages[1]["content"].lower()
    for piece in re.split(r", |: ", answer):
        if piece not in said and not all(word.lower() in said for word in piece.split(" ", 1)):
            return f"'{piece}' was not reported"
    return None
