"""Checks the work of equations and pairs of them; shares nothing with the code that writes it."""

from __future__ import annotations

import re

import verify
from expression import relation_holds, value_of
from problem import Problem


def check(problem: Problem) -> str | None:
    """Every line is true of the solution, which solves the equations that the problem's name says, and is the answer."""
    lines = problem.thinking.split("\n")
    try:
        solution = _solution_of(problem.family, problem.keys[0].partition(":")[2])
        letters = sorted(set(re.findall("[a-z]", lines[0])))
        if len(letters) != len(solution):
            return f"'{lines[0]}' does not have {len(solution)} unknowns"
        values = dict(zip(letters, solution))

        def is_true(line: str) -> bool:
            if line == lines[-1] and not re.search("[=:]", line.replace(" one ", "")):
                return True  # "12 and 8"
            if line.startswith(" one "):
                return True
            return all(relation_holds(part, values) for part in line.split(","))

        last = lines[-1]
        verify.read_work(lines, other=is_true)
    except ValueError as wrong:
        return str(wrong)
    numbers = [int(number) for number in re.findall(r"-?\d+", problem.answer)]
    if problem.answer.count("=") == len(solution):  # x = 3, y = 5
        wanted = ", ".join(f"{letter} = {value}" for letter, value in values.items())
        if problem.answer != wanted:
            return f"the answer is {wanted}, not {problem.answer}"
    elif len(numbers) == 1 and numbers[0] not in solution or len(numbers) > 1 and numbers != solution:
        return f"the solution is {solution}, not {problem.answer}"
    said = re.sub("^[a-z]=", "", last) if len(numbers) == 1 and "=" not in problem.answer else last
    if said.replace(" ", "") != problem.answer.replace(" ", ""):
        return f"the last line '{last}' does not say '{problem.answer}'"
    return None


def _solution_of(family: str, name: str) -> list[int]:
    """Solves anew what a problem's name says. Raises ValueError when that has no whole solution."""
    if family == "system":
        (a, b, c), (d, e, f) = (map(int, row.split(",")) for row in name.split(";"))
        determinant = a * e - b * d
        pair = [(c * e - b * f, determinant), (a * f - c * d, determinant)]
    else:
        left, _, right = name.partition("=")
        at_0, at_1 = (value_of(left, {"x": x}) - value_of(right, {"x": x}) for x in (0, 1))
        pair = [(at_0, at_0 - at_1)]
    if any(below == 0 or above % below for above, below in pair):
        raise ValueError(f"{name} has no single whole solution")
    return [int(above / below) if family == "equation" else above // below for above, below in pair]
