#!/usr/bin/env python3
"""Writes problems as JSON lines: generate.py --split test --count 200 --seed 1 [--family add ...] > pocket.jsonl"""

import argparse
import sys

from families import all_families
from manner import in_a_persons_manner
from problem import Problem, Source, belongs_to, to_json

MAX_TRIES = 10_000  # of one problem; a family that needs more has no problems in this split


class TooFew(RuntimeError):
    """A family has fewer problems than were asked for."""


def make_problem(family: str, source: Source) -> Problem:
    """One problem of the split, written as a person might. Raises TooFew when the family has none."""
    make = all_families()[family]
    for _ in range(MAX_TRIES):
        problem = make(source)
        if belongs_to(problem, source.split):
            return in_a_persons_manner(problem, source)
    raise TooFew(f"family '{family}' has no problem for split '{source.split}' in {MAX_TRIES} tries")


def distinct_problems(family: str, count: int, seed: int, split: str):
    """Yields `count` problems with different keys. Raises TooFew."""
    source = Source(seed, f"{split}")
    seen = set()
    for _ in range(count * 100):
        problem = make_problem(family, source)
        if problem.keys[0] in seen:
            continue
        seen.add(problem.keys[0])
        yield problem
        if len(seen) == count:
            return
    raise TooFew(f"family '{family}' has only {len(seen)} different problems of the {count} asked for")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("train", "test"), default="train")
    parser.add_argument("--count", type=int, default=200, help="problems per family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", action="append", help="only this family; repeatable")
    options = parser.parse_args()
    names = list(all_families())
    for name in options.family or []:
        if name not in names:
            parser.error(f"unknown family '{name}'; there are {', '.join(names)}")
    if options.count < 1:
        parser.error(f"--count is at least 1, not {options.count}")
    try:
        for name in options.family or names:
            for problem in distinct_problems(name, options.count, options.seed, options.split):
                print(to_json(problem))
    except TooFew as error:
        print(f"generate.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
