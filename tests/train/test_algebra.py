"""Fractions, percentages, equations and pairs of equations: the work is right, belongs to its question, and errors are found.

Run: python3 -m unittest discover tests/train
"""

import random
import re
import sys
import unittest
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "train"))

from expression import relation_holds, value_of  # noqa: E402
from families import algebra, fractions  # noqa: E402
from problem import Source  # noqa: E402
from verify import Wrong  # noqa: E402

FAMILIES = {**fractions.FAMILIES, **algebra.FAMILIES}
CHECKS = {**fractions.CHECKS, **algebra.CHECKS}
MAX_CHARACTERS = 500  # of work: nearly one token each


def problems(family: str, split: str, count: int = 300, seed: int = 1):
    source = Source(seed, split)
    return [FAMILIES[family](source) for _ in range(count)]


def verify(problem) -> str | None:
    try:
        return CHECKS[problem.family](problem)
    except Wrong as wrong:
        return str(wrong)


def numbers_in(text: str) -> Counter:
    """How often each number is in a text, without 0 and 1, which equations need not show."""
    return Counter(
        number
        for number in re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3}\b)", "", text))
        if number not in ("0", "1")
    )


class WorkTest(unittest.TestCase):
    def test_work_is_right_and_short(self):
        for family in FAMILIES:
            for split in ("train", "test"):
                for problem in problems(family, split):
                    self.assertIsNone(verify(problem), problem)
                    self.assertLess(len(problem.thinking), MAX_CHARACTERS, problem)
                    question = problem.messages[0]["content"]
                    self.assertNotRegex(question, r"[{}\\]", problem)

    def test_same_seed_same_problems(self):
        for family in FAMILIES:
            self.assertEqual(problems(family, "train", 50), problems(family, "train", 50))

    def test_every_changed_digit_is_found(self):
        rng = random.Random(3)
        for family in FAMILIES:
            for problem in problems(family, "train"):
                if (
                    re.search(r"(^|[^\d.])0($|[^\d.])", problem.answer)
                    or family in ("equation", "system")
                    and re.search(r"x=0|^0\*|\*0=", problem.thinking, re.MULTILINE)
                ):
                    continue  # 7x=0 and 8x=0 are both true of it, 0*7=0 and 0*8=0 of anything
                places = [place for place, character in enumerate(problem.thinking) if character.isdigit()]
                place = rng.choice(places)
                digit = str((int(problem.thinking[place]) + rng.randint(1, 9)) % 10)
                right = problem.thinking
                problem.thinking = right[:place] + digit + right[place + 1 :]
                self.assertIsNotNone(verify(problem), f"{problem}\nwas right before:\n{right}")

    def test_every_lost_line_or_wrong_answer_is_found(self):
        for family in FAMILIES:
            for problem in problems(family, "train", 100):
                answer = problem.answer
                problem.answer = re.sub(r"\d+", lambda number: str(int(number[0]) + 1), answer, count=1)
                if problem.answer == answer:
                    problem.answer = {"yes": "no", "no": "yes"}.get(answer, "3")
                self.assertIsNotNone(verify(problem), problem)
                problem.answer = answer
                problem.thinking = problem.thinking.rpartition("\n")[0]
                self.assertIsNotNone(verify(problem), problem)


class QuestionTest(unittest.TestCase):
    def test_question_has_the_numbers_of_its_name(self):
        for family in FAMILIES:
            for split in ("train", "test"):
                for problem in problems(family, split):
                    question = problem.messages[0]["content"]
                    told = family in ("equation", "system") and " = " not in problem.answer
                    if told or re.search(
                        r"half|third|quarter|(th|lve)s?\b|teen|ty|[^\d]ten percent", question.lower()
                    ):
                        continue  # numbers in words, or of legs that are not told
                    missing = numbers_in(re.sub("[-,]", " ", problem.keys[0])) - numbers_in(question)
                    words = "zero one two three four five six seven eight nine ten eleven twelve".split()
                    if not any(word in question.lower().split() for word in words):
                        self.assertFalse(missing, problem)

    def test_equation_is_the_one_asked(self):
        for split in ("train", "test"):
            for problem in problems("equation", split):
                left, right = problem.thinking.split("\n")[0].split("=")
                asked = problem.messages[0]["content"]
                for written, sign in (
                    (" plus ", "+"),
                    (" minus ", "-"),
                    (" equals ", "="),
                    (" times ", ""),
                    (" divided by ", "/"),
                ):
                    asked = asked.replace(written, sign)
                asked = asked.replace(" over ", "/") if "=" not in right and " over " in asked else asked
                asked = re.sub(
                    "[−–]", "-", re.sub("[*·×\\s]", "", re.sub(" is (?=[-\\d(a-z]+\\b)", "=", asked))
                )
                asked = re.sub("(?<=[\\da-z)])[÷:](?=\\d)", "/", asked)
                if " = " in problem.answer:
                    self.assertTrue(
                        f"{left}={right}" in asked or f"{right}={left}" in asked, f"{asked}\n{problem}"
                    )

    def test_test_phrasings_are_not_trained_on(self):
        for kinds in (fractions.FRACTIONS, fractions.PERCENTAGES, algebra.EQUATIONS, algebra.SYSTEMS):
            trained = {phrasing.lower().rstrip(".?") for train, _ in kinds.values() for phrasing in train}
            tested = {phrasing.lower().rstrip(".?") for _, test in kinds.values() for phrasing in test}
            self.assertFalse(trained & tested)
            self.assertGreaterEqual(len(trained), 60)
            self.assertGreaterEqual(len(tested), 12)


class ExpressionTest(unittest.TestCase):
    def test_values(self):
        for text, value in (
            ("4(x+3)/2", 16),
            ("-x", -5),
            ("2-(-3)", 5),
            ("x/5+1", 2),
            ("7/4", value_of("1.75")),
            ("2*-3", -6),
        ):
            self.assertEqual(value_of(text, {"x": 5}), value, text)

    def test_relations(self):
        self.assertTrue(relation_holds("3/4<5/6"))
        self.assertFalse(relation_holds("4x=21", {"x": 5}))

    def test_what_is_no_expression(self):
        for text in ("", "4+", "(3", "3)", "y", "3/0", "2^3"):
            with self.assertRaises(ValueError):
                value_of(text, {"x": 5})


if __name__ == "__main__":
    unittest.main()
