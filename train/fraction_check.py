"""Checks the work of fractions and percentages; shares nothing with the code that writes it."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import verify
from expression import relation_holds, value_of
from problem import Problem


def check_fraction(problem: Problem) -> str | None:
    """Every line is true and follows, and the answer is what the problem's name asks for."""
    lines = problem.thinking.split("\n")
    name = problem.keys[0].partition(":")[2]
    try:
        if "?" in name:
            return _check_comparison(lines, name, problem.answer)
        wanted = _value_asked(name)
        if name.startswith("decimal "):
            return _check_decimal(lines, name, problem.answer)

        def is_true(line: str) -> bool:
            if line.startswith("gcd") or ":" in line:
                return True  # checked below
            return line == lines[0] and all(value_of(part) == wanted for part in line.split("="))

        # A last "=19/12" is the fraction just reduced; "=28" right after a division's columns belongs to them.
        last_is_result = lines[-1].startswith("=") and "->" not in lines[-2]
        verify.read_work(lines[:-1] if last_is_result else lines, other=is_true)
        _check_euclid(lines, wanted)
        if value_of(problem.answer) != wanted or problem.answer != str(wanted):
            return f"the answer in lowest terms is {wanted}, not {problem.answer}"
        # Of a whole result a line before may say it too, as in 3/3=1: the last one must still be there.
        if wanted.denominator == 1 and " of " not in name and lines[-1] != f"={wanted}":
            return f"the last line '={wanted}' is missing"
    except (ValueError, ZeroDivisionError) as wrong:
        return str(wrong)
    return _last_line_says(lines[-1], problem.answer)


_EUCLID_STEP = re.compile(r"(\d+):(\d+)\*(\d+)=(\d+),(\d+)-(\d+)=(\d+)")


def _check_euclid(lines: list[str], wanted: Fraction) -> None:
    """Raises ValueError unless a gcd is sought of the fraction's own numbers, each step with what the last one left."""
    start = next((k for k, line in enumerate(lines) if line.startswith("gcd(")), None)
    if start is None:
        return
    numbers = [int(number) for number in re.findall(r"\d+", lines[start])]
    if len(numbers) != 2 or numbers[1] == 0 or Fraction(*numbers) != abs(wanted):
        raise ValueError(f"'{lines[start]}' is not for {wanted}")
    divisor = math.gcd(*numbers)
    for line in lines[start + 1 :]:
        if line.startswith("gcd="):
            if line != f"gcd={divisor}" or (min(numbers) != 1 and 0 not in numbers):
                raise ValueError(f"'{line}' does not follow")
            return
        large, small = max(numbers), min(numbers)
        step = _EUCLID_STEP.fullmatch(line)
        if not step:
            raise ValueError(f"'{line}' is no step to a gcd")
        part, by, times, product, first, second, rest = map(int, step.groups())
        right = (part, by, by * times) == (large, small, product)
        if not right or (first, second, rest) != (large, product, large - product) or rest < 0:
            raise ValueError(f"'{line}' is no step from {large} and {small}")
        numbers = [small, rest]
    raise ValueError("no gcd is found")


def _check_decimal(lines: list[str], name: str, answer: str) -> str | None:
    """Long division, a digit a line; the point comes after the first digit, the whole part."""
    if lines[0] != f" {name}":
        return f"'{lines[0]}' is not the task '{name}'"
    rest, divisor = map(int, re.findall(r"\d+", name))
    quotient = ""
    for number, line in enumerate(lines[1:-1]):
        times = rest // divisor
        quotient += f"{times}." if number == 0 and rest % divisor else str(times)
        left = rest - divisor * times
        wanted = f"{rest}:{divisor}*{times}={divisor * times},{rest}-{divisor * times}={left}->{quotient.rstrip('.')}"
        if line != wanted:
            return f"'{line}' should be '{wanted}'"
        rest = left * 10
    if rest or value_of(answer) != value_of(name.partition(" ")[2]):
        return f"the answer is not {answer}"
    return _last_line_says(lines[-1], answer)


def _check_comparison(lines: list[str], name: str, answer: str) -> str | None:
    if len(lines) < 4:
        return "the fractions are not compared"
    relation = lines[3]
    if sorted(re.split("[<=>]", relation)) != sorted(name.split("?")) or not relation_holds(relation):
        return f"'{relation}' is not about {name}, or false"
    a, b, sign, c, d = re.fullmatch(r"(\d+)/(\d+)([<=>])(\d+)/(\d+)", relation).groups()
    left, right = int(a) * int(d), int(c) * int(b)
    if lines[:3] != [f"{a}*{d}={left}", f"{c}*{b}={right}", f"{left}{sign}{right}"]:
        return f"the products do not belong to '{relation}'"
    if lines[4:]:
        kind, _, said = lines[4].strip().rpartition(": ")
        both = {"larger": max, "smaller": min}
        if kind in both and value_of(said) != both[kind](value_of(f"{a}/{b}"), value_of(f"{c}/{d}")):
            return f"'{lines[4]}' is false"
        if "?" in kind:
            claim, _, truth = kind.partition("? ")
            verdict = "yes" if claim == truth else "no"
            if truth != relation or re.split("[<=>]", claim) != re.split("[<=>]", truth) or said != verdict:
                return f"'{lines[4]}' is no verdict on '{relation}'"
        return None if said == answer else f"'{lines[4]}' does not say '{answer}'"
    return None if answer == f"{a}/{b} {sign} {c}/{d}" else f"'{relation}' does not say '{answer}'"


def _value_asked(name: str) -> Fraction:
    """The value that a problem's name asks for."""
    if " of " in name:
        return value_of(name.replace(" of ", "*"))
    if name.startswith(("simplify ", "decimal ")):
        return value_of(name.partition(" ")[2])
    first, sign, second = re.fullmatch(r"(\d+/\d+)([-+*/])(\d+/\d+)", name).groups()
    return value_of(f"({first}){sign}({second})")


def _last_line_says(line: str, answer: str) -> str | None:
    said = re.split("[=:] ?", line)[-1] if " " not in answer else line
    if said.replace(" ", "") == answer.replace(" ", ""):
        return None
    return f"the last line '{line}' does not say '{answer}'"


def check_percent(problem: Problem) -> str | None:
    """Every line is true, and the answer is what the problem's name asks for."""
    lines = problem.thinking.split("\n")
    verify.read_work([line for line in lines if not line.endswith("%")])
    name = problem.keys[0].partition(":")[2]
    found = value_of(problem.answer.rstrip("%"))
    numbers = [Fraction(number) for number in re.findall(r"[\d.]+", name)]
    first, second = numbers
    if "?%" in name:
        wanted = first * 100 / second
    elif name.endswith("of ?"):
        wanted = first * 100 / second
    elif " to " in name:
        wanted = abs(second - first) * 100 / first
    elif "crease" in name:
        wanted = first * (100 + (second if "increase" in name else -second)) / 100
    else:
        wanted = first * second / 100
    if found != wanted:
        return f"the answer is {wanted}, not {problem.answer}"
    return _last_line_says(lines[-1], problem.answer)
