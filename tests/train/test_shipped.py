#!/usr/bin/env python3
"""What is shipped agrees with itself: the held-out problems with their generator, the documents' numbers with the card.

Runs with `python3 -m unittest tests/train/test_shipped.py` or pytest; needs nothing but the standard library.
"""

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POCKET = ROOT / "models" / "pocket"
sys.path.insert(0, str(ROOT / "train"))

from families import all_families  # noqa: E402
from generate import distinct_problems  # noqa: E402
from problem import to_json  # noqa: E402

FEW = 20  # problems of each family that are made again


class Problems(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lines = (POCKET / "problems.jsonl").read_text(encoding="utf-8").splitlines()
        cls.about, cls.lines = json.loads(lines[0]), lines[1:]

    def test_are_as_many_of_every_family(self):
        counts = {}
        for line in self.lines:
            family = json.loads(line)["family"]
            counts[family] = counts.get(family, 0) + 1
        self.assertEqual(counts, {family: self.about["count"] for family in all_families()})

    def test_are_those_that_the_generator_makes(self):
        """A lesson changed for training must leave the test as it is, or the card speaks of other problems."""
        for family in all_families():
            shipped = [line for line in self.lines if json.loads(line)["family"] == family][:FEW]
            made = [to_json(problem) for problem in distinct_problems(family, FEW, self.about["seed"], self.about["split"])]
            self.assertEqual(made, shipped, family)


class Card(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.card = json.loads((POCKET / "card.json").read_text())
        cls.families = cls.card["families"]

    def test_is_of_these_problems(self):
        about = json.loads((POCKET / "problems.jsonl").read_text(encoding="utf-8").splitlines()[0])
        self.assertEqual(self.card["problems_seed"], about["seed"])
        self.assertEqual({family: score["problems"] for family, score in self.families.items()}, {family: about["count"] for family in all_families()})

    def test_is_what_the_table_of_training_says(self):
        text = (ROOT / "train" / "README.md").read_text(encoding="utf-8")
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
        said = {}
        for cells in rows:
            for i, cell in enumerate(cells):
                if cell in self.families and re.fullmatch(r"[\d.]+", cells[i + 1]):
                    said[cell] = (float(cells[i + 1]), float(cells[i + 2]))
        measured = {
            family: (round(100 * score["answer"], 1), round(100 * score["both"], 1))
            for family, score in self.families.items()
            if family != "recall"  # a lesson on the way, which the text gives
        }
        self.assertEqual(said, measured)
        self.assertIn(f"`recall` ({100 * self.families['recall']['answer']:.0f} %)", text)

    def test_is_what_the_model_s_description_says(self):
        text = (POCKET / "README.md").read_text(encoding="utf-8")
        weak = {"order puzzles": "order", "pairs of equations": "system", "word problems": "word", "JSON": "json", "rules": "rule"}
        said = re.findall(r"(order puzzles|pairs of equations|word problems|rules|JSON) \(([\d.]+) %\)", text)
        self.assertGreater(len(said), 2)
        for words, percent in said:
            self.assertEqual(float(percent), round(100 * self.families[weak[words]]["answer"], 1), words)


class Refusals(unittest.TestCase):
    def test_of_the_generator_say_what_is_wrong(self):
        for arguments, says in (
            (("--family", "knitting"), "unknown family 'knitting'"),
            (("--count", "0"), "at least 1"),
            (("--split", "test", "--family", "refuse", "--count", "201"), "only 200 different problems"),
        ):
            command = [sys.executable, "-B", str(ROOT / "train" / "generate.py"), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertIn(says, done.stderr)
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
