#!/usr/bin/env python3
"""Tool calls, JSON answers, refusals, the manner of asking, and the layout of conversations.

Runs with `python3 -m unittest tests/train/test_tools.py` or pytest; one test needs the package tokenizers.
"""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

TRAIN = Path(__file__).resolve().parents[2] / "train"
sys.path.insert(0, str(TRAIN))

import manner  # noqa: E402
from chat import Special, render  # noqa: E402
from families import json_answers, refusals, tools  # noqa: E402
from families.tool_slots import converted  # noqa: E402
from problem import Problem, Source, belongs_to, is_held_out  # noqa: E402
from verify import verify  # noqa: E402

CALL = "<|tool_call|>"


def calls(split, count=400):
    source = Source(3, split)
    return [tools._call_problem(source) for _ in range(count)]


class Tools(unittest.TestCase):
    def test_calls_name_an_offered_tool_and_copy_the_question(self):
        for split in ("train", "test"):
            for problem in calls(split):
                self.assertIsNone(verify(problem), problem)
                self.assertIn(len(json.loads(problem.messages[0]["tools"])), (1, 2, 3, 4))
                self.assertNotRegex(problem.messages[1]["content"], r"\{[a-z]+\}")

    def test_schemas_stay_short(self):
        lengths = [len(problem.messages[0]["tools"]) for problem in calls("train")]
        self.assertLess(sum(lengths) / len(lengths), 650)

    def test_another_tool_or_argument_is_noticed(self):
        noticed = 0
        for problem in calls("train"):
            if not problem.answer.startswith(CALL):
                continue
            call = json.loads(problem.answer.removeprefix(CALL).removesuffix("<|/tool_call|>"))
            other_name = [{**call[0], "name": "another"}]
            wrong = [other_name]
            for name in call[0]["arguments"]:
                wrong.append([{**call[0], "arguments": {**call[0]["arguments"], name: "98765432"}}])
            for calls_made in wrong:
                answer = f"{CALL}{json.dumps(calls_made)}<|/tool_call|>"
                self.assertIsNotNone(verify(replace(problem, answer=answer)), answer)
                noticed += 1
        self.assertGreater(noticed, 200)

    def test_two_kinds_that_fit_alike_are_never_offered_together(self):
        source = Source(4, "train")
        for _ in range(500):
            offered = tools._offer(None, source, tools.ALL_KINDS, frozenset())
            groups = [group for tool in offered for group in tool.kind.groups]
            self.assertEqual(len(groups), len(set(groups)))
            self.assertEqual(len({tool.name for tool in offered}), len(offered))

    def test_values_of_expressions(self):
        for expression, value in (
            ("2 + 3 * 4", "14"),
            ("(2 + 3) * 4", "20"),
            ("10 - 4 - 3", "3"),
            ("7 / 2", "3.5"),
            ("2 / 3", "0.6667"),
            ("1 / 30000", "0.00003333"),
            ("0.1 + 0.2", "0.3"),
            ("5 - 8", "-3"),
        ):
            self.assertEqual(tools.value_of(expression), value, expression)
        self.assertIsNone(tools.value_of("1 / 0"))

    def test_conversions(self):
        for value, source, target, result in (
            ("5", "miles", "km", "8.0467"),
            ("100", "C", "F", "212"),
            ("-40", "Fahrenheit", "Celsius", "-40"),
            ("2.5", "hours", "minutes", "150"),
            ("31", "MB", "TB", "0.000031"),
        ):
            self.assertEqual(converted(value, source, target), result)
        with self.assertRaises(ValueError):
            converted("1", "miles", "hours")


class JsonAnswers(unittest.TestCase):
    def test_answers_are_json_that_the_work_says(self):
        for split in ("train", "test"):
            source = Source(5, split)
            for _ in range(400):
                problem = json_answers.make_json(source)
                json.loads(problem.answer)
                self.assertIsNone(verify(problem), problem)

    def test_an_unexplained_value_is_noticed(self):
        problem = Problem.ask("json", "3+4? As JSON.", "3+4=7", '{"answer": 8}', ["json:add:3+4", "add:3+4"])
        self.assertIsNotNone(verify(problem))
        self.assertIsNone(verify(replace(problem, answer='{"answer": 7}')))


class Refusals(unittest.TestCase):
    def test_the_test_asks_its_own_200_questions(self):
        questions = (TRAIN / "phrases" / "out_of_scope.txt").read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(questions), 200)
        self.assertEqual(len(set(map(str.lower, questions))), 200)
        source = Source(1, "test")
        for _ in range(50):
            problem = refusals.make_refuse(source)
            self.assertIn(problem.messages[0]["content"], questions)
            self.assertTrue(is_held_out(problem.keys[0]) and belongs_to(problem, "test"))
        source = Source(1, "train")
        asked = {refusals.make_refuse(source).messages[0]["content"].lower() for _ in range(20000)}
        self.assertGreater(len(asked), 10000)
        self.assertEqual(asked & set(map(str.lower, questions)), set())


class Manner(unittest.TestCase):
    def test_numbers_stay_and_most_questions_are_left_alone(self):
        changed = 0
        for split in ("train", "test"):
            source = Source(6, split)
            for i in range(1000):
                question = f"What is {i} plus {i * 7}{'?' if i % 3 else ''}"
                problem = manner.in_a_persons_manner(Problem.ask("add", question, "", "", ["k"]), source)
                text = problem.messages[-1]["content"]
                self.assertEqual(re.findall(r"\d+", text)[-2:], re.findall(r"\d+", question), text)
                changed += text != question
        self.assertTrue(500 < changed < 900, changed)

    def test_names_keep_their_case(self):
        source = Source(7, "train")
        for _ in range(500):
            problem = Problem.ask("order", "Tom is taller than Ann. Who is taller?", "", "Tom", ["k"])
            text = manner.in_a_persons_manner(problem, source).messages[-1]["content"]
            self.assertIn("Tom", text)
            self.assertIn("Ann", text)


class Layout(unittest.TestCase):
    PROBLEM = Problem(
        "tool",
        [
            {"role": "system", "content": "Be brief.", "tools": '[{"name":"clock"}]'},
            {"role": "user", "content": "Time? <|end|>"},
            {"role": "assistant", "content": f"{CALL}[]<|/tool_call|>", "thinking": " tool clock"},
            {"role": "tool", "content": "10:15"},
        ],
        " result: 10:15",
        "10:15",
        ["k"],
    )

    def test_parts_and_targets(self):
        parts = render(self.PROBLEM)
        self.assertEqual(
            "".join(part for part, _ in parts),
            '<|system|>Be brief.<|tool|>[{"name":"clock"}]<|/tool|><|end|><|user|>Time? <|end|><|end|><|assistant|><think> tool clock'
            "</think><|tool_call|>[]<|/tool_call|><|end|><|tool_response|>10:15<|end|><|assistant|><think> result: 10:15</think>10:15"
            "<|end|>",
        )
        self.assertEqual(
            "".join(part for part, is_target in parts if is_target),
            "<think> tool clock</think><|tool_call|>[]<|/tool_call|><|end|><think> result: 10:15</think>10:15<|end|>",
        )
        self.assertFalse(any(isinstance(part, Special) for part, _ in parts if part.startswith("Time")))
        self.assertEqual(sum(isinstance(part, Special) for part, _ in parts), 18)

    def test_earlier_answers_without_thinking_are_context(self):
        messages = [dict(message) for message in self.PROBLEM.messages]
        del messages[2]["thinking"]
        targets = "".join(
            part for part, is_target in render(replace(self.PROBLEM, messages=messages)) if is_target
        )
        self.assertEqual(targets, "<think> result: 10:15</think>10:15<|end|>")


class Tokenizer(unittest.TestCase):
    def run_it(self, *options):
        return subprocess.run(
            [sys.executable, TRAIN / "tokenizer.py", *options], capture_output=True, text=True, timeout=120
        )

    def test_impossible_settings_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for options, complaint in (
                (("--vocab", "12"), "--vocab is 268"),
                (("--vocab", "100000"), "to 65536"),
                (("--problems", "0"), "--problems is at least 1"),
                (("--families", "nobody"), "unknown module 'nobody'"),
            ):
                result = self.run_it("--out", f"{folder}/new", *options)
                self.assertEqual(result.returncode, 2)
                self.assertIn(complaint, result.stderr)
                self.assertFalse(Path(folder, "new").exists())

    @unittest.skipUnless(importlib.util.find_spec("tokenizers"), "needs the package tokenizers")
    def test_digits_stand_alone_and_text_stays_text(self):
        from chat import ChatTokenizer

        with tempfile.TemporaryDirectory() as folder:
            result = self.run_it(
                "--out", folder, "--vocab", "500", "--problems", "900", "--families", "arithmetic,refusals"
            )
            self.assertEqual(result.returncode, 0, result.stderr)
            tokenizer = ChatTokenizer(folder)
            data = json.loads(Path(folder, "tokenizer.json").read_text(encoding="utf-8"))
            self.assertFalse(
                [token for token in data["model"]["vocab"] if len(token) > 1 and re.search(r"\d", token)]
            )
            self.assertEqual(list(data["model"]["vocab"].values()), list(range(488)))
            self.assertEqual([token["id"] for token in data["added_tokens"]], list(range(488, 500)))
            ids, mask = tokenizer.encode_all([Layout.PROBLEM])[0]
            self.assertEqual(len(ids), len(mask))
            text = tokenizer.tokenizer.decode(ids, skip_special_tokens=False)
            self.assertEqual(text, "".join(part for part, _ in render(Layout.PROBLEM)))
            self.assertEqual(ids.count(tokenizer.special_ids["<|end|>"]), 5, "the user's <|end|> is text")


if __name__ == "__main__":
    unittest.main()
