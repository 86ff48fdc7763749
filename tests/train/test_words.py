"""Word problems, orders, truth, rules: the work is right, test material is new, checks catch mistakes."""

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "train"))

import storybook  # noqa: E402
import vocabulary  # noqa: E402
from families import logic, rules, words  # noqa: E402
from problem import Source, belongs_to, is_held_out  # noqa: E402
from verify import Wrong  # noqa: E402

FAMILIES = words.FAMILIES | logic.FAMILIES | rules.FAMILIES
CHECKS = words.CHECKS | logic.CHECKS | rules.CHECKS
COUNT = 300


def problems(family, split, count=COUNT, seed=7):
    source = Source(seed, split)
    return [FAMILIES[family](source) for _ in range(count)]


def fault(problem):
    """What is wrong with the work, or None."""
    try:
        return CHECKS[problem.family](problem)
    except Wrong as wrong:
        return str(wrong)


class Problems(unittest.TestCase):
    def test_have_right_work(self):
        for family in FAMILIES:
            for split in ("train", "test"):
                for problem in problems(family, split):
                    self.assertIsNone(
                        fault(problem), f"{problem.messages}\n{problem.thinking}\n=> {problem.answer}"
                    )

    def test_are_the_same_for_the_same_seed(self):
        for family in FAMILIES:
            self.assertEqual(problems(family, "train", 20), problems(family, "train", 20))

    def test_leave_no_placeholder_unfilled(self):
        for family in FAMILIES:
            for problem in problems(family, "train") + problems(family, "test"):
                for message in problem.messages:
                    self.assertNotRegex(message["content"], r"[{}@]|  |\[|\]|\bNone\b(?! of| is what)")

    def test_belong_to_their_split_often_enough(self):
        for family in FAMILIES:
            kept = sum(belongs_to(problem, "train") for problem in problems(family, "train"))
            self.assertGreater(kept, COUNT // 2, family)
            found = sum(belongs_to(problem, "test") for problem in problems(family, "test", 1000))
            self.assertGreater(found, 10, family)

    def test_fit_a_short_scratchpad(self):
        for family in FAMILIES:
            for problem in problems(family, "train"):
                self.assertLess(len(problem.thinking), 650, problem.messages)

    def test_write_words_with_a_space_before_them(self):
        for family in FAMILIES:
            for problem in problems(family, "train"):
                for line in problem.thinking.split("\n"):
                    self.assertRegex(line, r"^( |[-=\d])", problem.thinking)


class Names(unittest.TestCase):
    def test_of_orders_stand_in_the_question_as_in_the_answer(self):
        several = 0
        for problem in problems("order", "train"):
            if problem.answer in ("yes", "no", "true", "false"):
                continue
            question = problem.messages[-1]["content"]
            for name in problem.answer.split(", "):
                self.assertTrue(name in question or storybook.capitalised(name) in question, (name, question))
                several += " " in name
        self.assertGreater(several, 10)


class Checks(unittest.TestCase):
    def test_catch_a_changed_digit_or_truth(self):
        for family in FAMILIES:
            caught = tried = 0
            for problem in problems(family, "train", 150):
                lines = problem.thinking.split("\n")
                for position, line in enumerate(lines):
                    changed = _changed(line)
                    if changed == line:
                        continue
                    problem.thinking = "\n".join(lines[:position] + [changed] + lines[position + 1 :])
                    tried += 1
                    caught += fault(problem) is not None
            self.assertGreater(tried, 100, family)
            # A changed line can be right: `true or true or false` may become `true or true`, `Box 2` may become `Box 3`.
            self.assertGreaterEqual(caught, tried if family not in ("truth", "order") else 0.98 * tried, family)

    def test_catch_another_answer(self):
        for family in FAMILIES:
            for problem in problems(family, "train", 100):
                problem.answer = "7777" if problem.answer != "7777" else "1"
                self.assertIsNotNone(fault(problem), problem.thinking)

    def test_catch_a_missing_last_line(self):
        for family in FAMILIES:
            for problem in problems(family, "train", 100):
                problem.thinking = problem.thinking.rpartition("\n")[0] or " nothing"
                self.assertIsNotNone(fault(problem), problem.messages)


def _changed(line):
    """The line with its last digit, truth value or sign replaced by another."""
    digit = re.fullmatch(r"(.*)(\d)(\D*)", line)
    if digit and "true" not in line and "false" not in line:
        return f"{digit[1]}{(int(digit[2]) + 1) % 10}{digit[3]}"
    truth = re.fullmatch(r"(.*\b)(true|false)", line)
    if truth:
        return truth[1] + ("false" if truth[2] == "true" else "true")
    if re.search(r" [<>] ", line):
        return re.sub(r" ([<>]) ", lambda match: " < " if match[1] == ">" else " > ", line, count=1)
    return line


class TestMaterial(unittest.TestCase):
    BOOKS = ("word_tales.txt", "word_plots.txt", "order.txt", "truth.txt", "rule.txt")

    def test_has_no_phrasing_of_training_among_questions_and_stories(self):
        """Facts and readings may be told as in training; questions are never phrased as there."""
        for name in self.BOOKS:
            for section, lines in storybook.Storybook(name).lines.items():
                if not re.match(
                    r"ask|first|evaluate|which|count|table|always|conclude|bare|open|gain|loss|half|place",
                    section,
                ):
                    continue
                seen = {variant for variants in lines["train"] for variant in variants}
                for variants in lines["test"]:
                    shared = seen.intersection(variants)
                    if lines["train"] != lines["test"]:
                        self.assertFalse(shared, f"{name} [{section}]")

    def test_uses_no_word_that_training_never_uses(self):
        for name in self.BOOKS:
            words_of = {"train": set(), "test": set(), "both": set()}
            for (split, section), lines in storybook.sections(name).items():
                for line in lines:
                    words_of[split] |= set(re.findall(r"[a-z]+", line.lower()))
            known = words_of["train"] | words_of["both"] | self._common_words()
            self.assertEqual(sorted(words_of["test"] - known), [], name)

    @staticmethod
    def _common_words():
        """Words of training in any of the books."""
        known = set()
        for name in TestMaterial.BOOKS:
            for (split, _), lines in storybook.sections(name).items():
                if split != "test":
                    known |= set(map(storybook.past_of, re.findall(r"@(\w+)", " ".join(lines))))
                    known |= set(re.findall(r"[a-z]+", " ".join(lines).lower()))
        return known | {noun.many for nouns in vocabulary.NOUNS.values() for noun in nouns}

    def test_has_names_and_things_that_training_never_saw_together(self):
        for split in ("train", "test"):
            source = Source(3, split)
            for _ in range(500):
                name, noun = (
                    source.rng.choice(vocabulary.PEOPLE).name,
                    source.rng.choice(vocabulary.NOUNS["thing"]).many,
                )
                self.assertEqual(
                    vocabulary.may_meet(source, name, noun),
                    is_held_out(f"{name}|{noun}") == (split == "test"),
                )

    def test_has_enough_templates(self):
        tales, plots = storybook.Storybook("word_tales.txt"), storybook.Storybook("word_plots.txt")
        self.assertGreaterEqual(tales.count("train") + plots.count("train"), 500)
        self.assertGreaterEqual(tales.count("test") + plots.count("test"), 150)
        rule = storybook.Storybook("rule.txt")
        self.assertGreaterEqual(rule.count("train"), 200)
        self.assertGreaterEqual(rule.count("test"), 60)


class Tenses(unittest.TestCase):
    def test_of_regular_and_irregular_verbs(self):
        forms = {
            "buys": "bought",
            "bakes": "baked",
            "carries": "carried",
            "enjoys": "enjoyed",
            "wishes": "wished",
        }
        for present, past in (forms | {"are": "were", "add": "added", "bring": "brought"}).items():
            self.assertEqual(storybook.past_of(present), past)

    def test_of_a_sentence(self):
        self.assertEqual(
            storybook.in_tense("{N} @buys {x} and @is glad", past=True), "{N} bought {x} and was glad"
        )
        self.assertEqual(storybook.in_tense("{N} @buys {x}", past=False), "{N} buys {x}")


if __name__ == "__main__":
    unittest.main()
