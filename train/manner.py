"""A person's manner of writing: greetings, politeness, casing and spacing around a question."""

from problem import Problem, Source


def in_a_persons_manner(problem: Problem, source: Source) -> Problem:
    return problem
