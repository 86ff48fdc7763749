#!/usr/bin/env python3
"""The training data: its work is right, its splits stay apart, and a wrong line of work is noticed.

Runs with `python3 -m unittest tests/train/test_data.py` or pytest; needs nothing but the standard library.
"""

import dataclasses
import random
import re
import sys
import unittest
from fractions import Fraction
from pathlib import Path

TRAIN = Path(__file__).resolve().parents[2] / "train"
sys.path.insert(0, str(TRAIN))

import work  # noqa: E402
from families import all_families  # noqa: E402
from generate import make_problem  # noqa: E402
from phrasings import essence, in_words, load_phrasings  # noqa: E402
from problem import Source, is_held_out  # noqa: E402
from verify import Wrong, check_statement, evaluate, read_work, verify  # noqa: E402

PROBLEMS = 300  # of each family and split
LONGEST_WORK = 700  # characters, which are about 450 tokens


def number(rng, max_digits):
    digits = rng.randint(1, max_digits)
    return rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)


def with_another_digit(line, rng):
    """The line with one of its digits changed; None when it has none."""
    places = [match.start() for match in re.finditer(r"\d", line)]
    if not places:
        return None
    place = rng.choice(places)
    digit = (int(line[place]) + rng.randint(1, 9)) % 10
    return f"{line[:place]}{digit}{line[place + 1:]}"


class Families(unittest.TestCase):
    def test_work_is_right_and_splits_stay_apart(self):
        for family in all_families():
            for split in ("train", "test"):
                with self.subTest(family=family, split=split):
                    source = Source(7, split)
                    for _ in range(PROBLEMS):
                        problem = make_problem(family, source)
                        self.assertIsNone(verify(problem), problem)
                        self.assertEqual(problem.family, family)
                        self.assertLessEqual(len(problem.thinking), LONGEST_WORK, problem)
                        self.assertTrue(problem.answer.strip(), problem)
                        self.assertNotRegex(
                            problem.messages[-1]["content"], r"\{[a-z]+\}", "a template is left unfilled"
                        )
                        if split == "test":
                            self.assertTrue(is_held_out(problem.keys[0]))
                        else:
                            self.assertFalse(any(map(is_held_out, problem.keys)))

    def test_same_seed_gives_same_problems(self):
        for family in all_families():
            with self.subTest(family=family):
                first, second = (
                    [make_problem(family, source) for _ in range(20)]
                    for source in (Source(3, "train"), Source(3, "train"))
                )
                self.assertEqual(first, second)

    def test_changed_digit_is_noticed(self):
        """Of whole numbers, lists and units, where every digit of the work is checked."""
        rng = random.Random(5)
        for family in ("add", "sub", "mul", "div", "compare", "sort", "unit"):
            source = Source(8, "train")
            with self.subTest(family=family):
                for _ in range(PROBLEMS):
                    problem = make_problem(family, source)
                    lines = problem.thinking.split("\n")
                    index = rng.randrange(len(lines))
                    changed = with_another_digit(lines[index], rng)
                    if changed is None:
                        continue
                    lines[index] = changed
                    self.assertIsNotNone(
                        verify(dataclasses.replace(problem, thinking="\n".join(lines))), (problem, changed)
                    )

    def test_left_out_line_is_noticed(self):
        rng = random.Random(6)
        for family in ("add", "sub", "mul", "div", "compare", "sort", "unit"):
            source = Source(9, "train")
            with self.subTest(family=family):
                for _ in range(PROBLEMS):
                    problem = make_problem(family, source)
                    lines = problem.thinking.split("\n")
                    if len(lines) > 1:  # the last line may only repeat the one before
                        del lines[rng.randrange(len(lines) - 1)]
                        self.assertIsNotNone(verify(dataclasses.replace(problem, thinking="\n".join(lines))), problem)

    def test_wrong_answer_is_noticed(self):
        for family in all_families():
            if family in ("tool", "json", "refuse"):
                continue
            source = Source(10, "train")
            with self.subTest(family=family):
                for _ in range(50):
                    problem = make_problem(family, source)
                    self.assertIsNotNone(verify(dataclasses.replace(problem, answer="17 wrong")), problem)


class WrittenCalculation(unittest.TestCase):
    def check(self, lines, value, remainder=0):
        found = read_work(lines)
        self.assertEqual([(c.value, c.remainder) for c in found], [(value, remainder)], lines)

    def test_every_length(self):
        rng = random.Random(1)
        for _ in range(3000):
            a, b = number(rng, 6), number(rng, 6)
            self.check(work.add_lines(a, b), a + b)
            self.check(work.sub_lines(a, b), a - b)
            x, y = rng.choice((a, -a)), rng.choice((b, -b))
            self.check(work.signed_lines(x, y), x + y)
            a, b = number(rng, 4), number(rng, 4)
            self.check(work.mul_lines(a, b), a * b)
            a, b = number(rng, 5), number(rng, 2) or 1
            self.check(work.div_lines(a, b), a // b, a % b)
            b = 2 ** rng.randint(0, 3) * 5 ** rng.randint(0, 2)
            self.check(work.exact_div_lines(a, b), Fraction(a, b))

    def test_as_agreed(self):
        """The examples that other families, and readers, rely on."""
        self.assertEqual(work.add_lines(347, 589), ["347+589", "7+9=16->6", "4+8+1=13->36", "3+5+1=9->936"])
        self.assertEqual(
            work.sub_lines(503, 78), ["503-78", "3<8,13-8=5->5", "0-1<0,10-1=9,9-7=2->25", "5-1=4,4-0=4->425"]
        )
        self.assertEqual(work.sub_lines(78, 503)[0::4], ["78-503=-(503-78)", "=-425"])
        self.assertEqual(work.mul_lines(24, 37)[:4], ["24*37", "24*7=168", "24*30=720", "168+720"])
        self.assertEqual(work.mul_lines(7, 345)[:2], ["345*7", "5*7=35->5"])
        self.assertEqual(
            work.div_lines(7654, 24),
            [
                "7654/24",
                "76:24*3=72,76-72=4->3",
                "45:24*1=24,45-24=21->31",
                "214:24*8=192,214-192=22->318",
                "=318 r 22",
            ],
        )
        self.assertEqual(work.exact_div_lines(90, 60)[-2:], ["300:60*5=300,300-300=0->1.5", "=1.5"])

    def test_refuses_what_it_cannot_do(self):
        with self.assertRaises(ValueError):
            work.div_lines(7, 0)
        with self.assertRaises(ValueError):
            work.exact_div_lines(1, 3)
        with self.assertRaises(ValueError):
            work.mul_lines(-3, 4)

    def test_names_of_calculations(self):
        self.assertEqual(work.calculation_key(9, "+", 4), work.calculation_key(4, "+", 9))
        self.assertEqual(work.calculation_key(9, "-", 4), "sub:9-4")
        self.assertEqual(work.contained_keys(work.sub_lines(78, 503)), ["sub:78-503", "sub:503-78"])
        self.assertEqual(work.contained_keys(["47+38=85"]), [])


class Verifier(unittest.TestCase):
    def test_arithmetic(self):
        self.assertEqual(evaluate("2+3*(4-1)/2"), Fraction(13, 2))
        self.assertEqual(evaluate("-3.5*2"), -7)
        self.assertEqual(check_statement("5-1=4<7"), 7)
        for text in ("2+", "(2", "2 3 x", "1/0", ""):
            with self.assertRaises(Wrong, msg=text):
                evaluate(text)

    def test_false_lines(self):
        for lines in (
            ["47+38=86"],
            ["347+589", "7+9=16->6", "4+8=12->26", "3+5+1=9->926"],  # forgets a carry
            ["347+589", "7+9=16->6", "4+8+1=13->36"],  # stops early
            ["503-78", "3<8,13-8=5->5", "0-7=3->35", "5-0=5->535"],
            ["24*37", "24*7=168", "24*30=720", "168+702"],
            ["7654/24", "76:24*2=48,76-48=28->2"],  # a digit that is too small
            ["90/60", "90:60*1=60,90-60=30->1", "300:60*5=300,300-300=0->1.5", "=1.6"],
            ["hello"],
        ):
            with self.assertRaises(Wrong, msg=lines):
                read_work(lines)


class Phrasings(unittest.TestCase):
    def test_enough_of_each(self):
        for name, least in (
            ("add", 60),
            ("sub", 60),
            ("mul", 60),
            ("div", 60),
            ("compare", 50),
            ("sort", 50),
            ("unit", 60),
        ):
            kinds = load_phrasings(name)
            self.assertGreaterEqual(sum(len(train) for train, _ in kinds.values()), least, name)
            self.assertGreaterEqual(sum(len(test) for _, test in kinds.values()), 12, name)

    def test_differ_by_more_than_signs_and_capitals(self):
        self.assertEqual(essence("Please solve: {e}"), essence("please solve {e}."))
        self.assertNotEqual(essence("{a} minus {b}"), essence("{b} minus {a}"))
        self.assertNotEqual(essence("{e} ="), essence("{e}="))  # without words these are all there is

    def test_numbers_in_words(self):
        self.assertEqual([in_words(n) for n in (0, 13, 20, 47)], ["zero", "thirteen", "twenty", "forty-seven"])


if __name__ == "__main__":
    unittest.main()
