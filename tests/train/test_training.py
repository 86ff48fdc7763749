"""The trainer: gradients against PyTorch's own, packed batches against single ones, and what it refuses.

Needs PyTorch and PyPI's tokenizers; without them every test says that it was skipped.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "train"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
try:
    import tokenizers  # noqa: F401
    import torch

    from checkpoint import load_weights, save_weights
    from ops import Layout, NativeOps, PlainOps
    from sambay import Batch, Shape, forward, initial_weights, is_matrix
    from optimizer import Optimizer, orthogonal
    from train import Diverged, Progress, Stage, Trainer, load_recipe, pack

    MISSING = None
except ImportError as error:
    MISSING = str(error)

FOLDER = Path(tempfile.gettempdir()) / f"sambay-train-test-{os.getuid()}"
TINY = dict(vocab_size=512, hidden_size=64, intermediate_size=64, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=2, sliding_window=8)


def native():
    return NativeOps(FOLDER)


def relative(x, y) -> float:
    return float((x.double() - y.double()).norm() / (y.double().norm() + 1e-12))


@unittest.skipIf(MISSING, f"needs PyTorch and tokenizers: {MISSING}")
class Kernels(unittest.TestCase):
    """Each operation of kernels/ against the same in float64.

    Results travel as bf16, 8 bits: rounding alone is 2^-9 of each value at most, about 2^-9 / sqrt(3) = 1.1e-3 of the norm; the gradients of
    attention round a second time on the way (the saved averages). 4e-3 leaves a factor of two. float32 results: 1e-4.
    """

    def setUp(self):
        torch.manual_seed(1)
        lengths = (1, 5, 33, 70)
        starts = torch.tensor([0, *lengths]).cumsum(0).int()
        positions = torch.cat([torch.arange(n) for n in lengths]).int()
        self.rows = int(starts[-1])
        self.every = Layout(starts, starts, positions)
        self.asking = torch.tensor([0, 4, 5, 38, 39, 100])
        q_starts = torch.searchsorted(self.asking, starts.long()).int()
        self.some = Layout(starts, q_starts, positions[self.asking].contiguous())

    def compare(self, name, inputs, halves, *rest):
        """inputs: float32 tensors; halves: which of them travel as bf16."""
        ours = [(x.bfloat16() if half else x.clone()).requires_grad_() for x, half in zip(inputs, halves)]
        theirs = [x.detach().double().requires_grad_() for x in ours]
        got, wanted = getattr(native(), name)(*ours, *rest), getattr(PlainOps(torch.float64), name)(*theirs, *rest)
        got, wanted = (x if isinstance(x, tuple) else (x,) for x in (got, wanted))
        grads = [torch.randn(x.shape).to(x.dtype) for x in got]
        for x, y in zip(got, wanted):
            self.assertLess(relative(x, y), 4e-3 if x.dtype == torch.bfloat16 else 1e-4, name)
        for i, (x, y) in enumerate(
            zip(torch.autograd.grad(got, ours, grads), torch.autograd.grad(wanted, theirs, [g.double() for g in grads]))
        ):
            self.assertLess(relative(x, y), 4e-3 if x.dtype == torch.bfloat16 else 1e-4, f"{name}: gradient {i}")

    def test_norm(self):
        d = 192
        self.compare("add_norm", [torch.randn(self.rows, d), torch.randn(self.rows, d), torch.randn(d), torch.randn(d)], (0, 1, 0, 0))

    def test_gates(self):
        self.compare("glu", [torch.randn(self.rows, 128)], (1,))
        self.compare("gate", [torch.randn(self.rows, 64), torch.randn(self.rows, 64)], (1, 1))

    def test_convolution(self):
        self.compare("conv_silu", [torch.randn(self.rows, 96), torch.randn(4, 96), torch.randn(96)], (1, 0, 0), self.every)

    def test_scan(self):
        d = 96
        inputs = [torch.randn(self.rows, d), torch.randn(self.rows, d), torch.randn(d), -3 * torch.rand(16, d), torch.randn(self.rows, 32)]
        self.compare("scan", [*inputs, torch.randn(d)], (1, 1, 0, 0, 1, 0), self.every)

    def test_attention(self):
        for heads, kv_heads in ((6, 2), (8, 4), (2, 2)):
            for window in (0, 2, 9):
                inputs = [torch.randn(self.rows, heads * 32), torch.randn(self.rows, 2 * kv_heads * 32)]
                self.compare("attend", inputs, (1, 1), self.every, heads, kv_heads, window)

    def test_attention_of_some_rows(self):
        inputs = [torch.randn(len(self.asking), 192), torch.randn(self.rows, 128)]
        self.compare("attend", inputs, (1, 1), self.some, 6, 2, 0)

    def test_difference(self):
        self.compare("combine", [torch.randn(self.rows, 384), torch.tensor(0.37), torch.randn(64)], (1, 0, 0), 0.4)

    def test_loss(self):
        logits, targets = torch.randn(50, 256).bfloat16(), torch.randint(0, 256, (50,), dtype=torch.int32)
        ours, theirs = logits.clone().requires_grad_(), logits.double().requires_grad_()
        loss, right = native().cross_entropy(ours, targets, 0.02)
        reference, expected = PlainOps(torch.float64).cross_entropy(theirs, targets, 0.02)
        self.assertLess(relative(loss, reference), 1e-5)
        self.assertTrue(torch.equal(right.bool(), expected))
        self.assertLess(relative(torch.autograd.grad(loss, ours)[0], torch.autograd.grad(reference, theirs)[0]), 4e-3)


@unittest.skipIf(MISSING, f"needs PyTorch and tokenizers: {MISSING}")
class Batches(unittest.TestCase):
    def setUp(self):
        self.shape = Shape(**TINY)
        weights = initial_weights(self.shape, 1)
        self.weights = {name: value.bfloat16() if is_matrix(name) else value for name, value in weights.items()}
        random = torch.Generator().manual_seed(2)
        self.sequences = []
        for length in (7, 40, 3, 22):
            ids = torch.randint(0, 512, (length,), generator=random).tolist()
            self.sequences.append((ids, [t >= length // 2 for t in range(length)]))

    def test_packed_sequences_do_not_see_each_other(self):
        together = forward(self.weights, pack(self.sequences), self.shape, native())
        alone = torch.cat([forward(self.weights, pack([sequence]), self.shape, native()) for sequence in self.sequences])
        # The same operations on the same rows; only the matrix products may sum in another order for another row count.
        self.assertLess(relative(together, alone), 2**-8)

    def test_rows_that_nobody_asks_change_no_logit(self):
        ids, learn = self.sequences[1]
        every = forward(self.weights, pack([(ids, [True] * len(ids))]), self.shape, native())
        some = forward(self.weights, pack([(ids, learn)]), self.shape, native())
        self.assertLess(relative(some, every[-len(some) :]), 2**-8)

    def test_targets_are_the_next_tokens_to_learn(self):
        batch = pack([([5, 6, 7, 8], [False, False, True, True]), ([9, 10], [False, True])])
        self.assertEqual(batch.ids.tolist(), [5, 6, 7, 9])
        self.assertEqual(batch.asking.tolist(), [1, 2, 3])
        self.assertEqual(batch.targets.tolist(), [7, 8, 10])
        self.assertEqual(batch.asking_rows.positions.tolist(), [1, 2, 0])

    def test_gradients_of_two_threads_are_those_of_one(self):
        weights = initial_weights(self.shape, 1)
        batches = [pack([sequence]) for sequence in self.sequences]
        one, loss_one, _ = Trainer(self.shape, weights, 1, native()).gradients(batches)
        two, loss_two, _ = Trainer(self.shape, weights, 2, native()).gradients(batches)
        again, _, _ = Trainer(self.shape, weights, 2, native()).gradients(batches)
        self.assertAlmostEqual(float(loss_one), float(loss_two), places=5)
        for name in one:
            self.assertLess(relative(two[name], one[name]), 1e-5, name)
            self.assertTrue(torch.equal(two[name], again[name]), name)

    def test_the_optimizer_learns_a_batch_by_heart(self):
        trainer = Trainer(self.shape, initial_weights(self.shape, 1), 2, native())
        optimizer = Optimizer(trainer.weights, self.shape, adam_share=0.4, decay=0.1)
        batches = [pack([sequence]) for sequence in self.sequences]
        for _ in range(60):
            gradients, loss, _ = trainer.gradients(batches)
            optimizer.step(gradients, 0.02, trainer.pool)
            trainer.keep_average(0)
        self.assertLess(float(loss), 0.1)
        self.assertTrue(all(trainer.solved(batches)))

    def test_the_average_follows_the_last_steps(self):
        trainer = Trainer(self.shape, initial_weights(self.shape, 1), 1, native())
        name = "model.final_layernorm.bias"
        for step in range(3):
            trainer.weights[name].fill_(float(step))
            trainer.keep_average(step)
        self.assertTrue(torch.allclose(trainer.average[name], torch.tensor(1.0)))  # few steps: all alike
        for step in range(3, 2000):
            trainer.weights[name].fill_(7.0)
            trainer.keep_average(step)
        self.assertTrue(torch.allclose(trainer.average[name], torch.tensor(7.0)))

    def test_orthogonal_keeps_directions_and_levels_lengths(self):
        torch.manual_seed(1)
        for size in ((2, 48, 16), (2, 16, 48)):
            singular = torch.linalg.svdvals(orthogonal(torch.randn(size)).float())
            self.assertGreater(float(singular.min()), 0.4)  # Muon's polynomial ends between 0.68 and 1.13, but for values near 0
            self.assertLess(float(singular.max()), 1.3)


@unittest.skipIf(MISSING, f"needs PyTorch and tokenizers: {MISSING}")
class Runs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="sambay-train-"))
        cls.tokenizer = cls.folder / "tokenizer"
        cls.call("tokenizer.py", "--vocab", "512", "--problems", "2000", "--out", cls.tokenizer)

    @classmethod
    def tearDownClass(cls):
        import shutil

        shutil.rmtree(cls.folder)

    @classmethod
    def call(cls, program, *arguments, status=0):
        command = [sys.executable, str(ROOT / "train" / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == status, f"{command} ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def recipe(self, name, stages, **changes):
        path = self.folder / f"{name}.json"
        content = {"shape": TINY, "seed": 1, "families": {"add": 1, "sub": 1}, "defaults": {"batch_tokens": 2048}, "stages": stages, **changes}
        path.write_text(json.dumps(content))
        return path

    def train(self, recipe, out, *arguments, status=0):
        few = ("--examine-count", "4", "--threads", "2")
        return self.call("train.py", "--recipe", recipe, "--tokenizer", self.tokenizer, "--out", out, *few, *arguments, status=status)

    def test_a_cut_off_run_goes_on_where_it_was_and_repeats_bit_for_bit(self):
        stages = [dict(name=name, tokens=6000, rate=0.02, final_rate=0.01) for name in ("first", "second")]
        recipe = self.recipe("resume", stages)
        straight, cut = self.folder / "straight", self.folder / "cut"
        self.train(recipe, straight)
        self.train(recipe, cut, "--stage", "first")
        self.assertFalse((cut / "second").exists())
        said = self.train(recipe, cut)
        self.assertIn("finished before", said)
        for stage in ("first", "second"):
            name = f"{stage}/model.safetensors"
            self.assertEqual((straight / name).read_bytes(), (cut / name).read_bytes(), stage)

    def test_divergence_names_the_stage_and_keeps_the_last_good_weights(self):
        calm = dict(name="calm", tokens=3000, rate=0.01, final_rate=0.01)
        recipe = self.recipe("wild", [calm, dict(name="wild", tokens=3_000_000, rate=1.0, final_rate=1.0, adam_share=1000.0)])
        said = self.train(recipe, self.folder / "wild", status=1)
        self.assertIn("stage 'wild' diverged", said)
        self.assertTrue((self.folder / "wild" / "calm" / "model.safetensors").exists())
        self.assertFalse((self.folder / "wild" / "wild").exists())

    def test_refuses_impossible_recipes(self):
        stage = dict(name="a", tokens=1000, rate=0.01, final_rate=0.0)
        for change, says in (
            ({"tokens": 0}, "tokens"),
            ({"final_rate": 0.5}, "final_rate"),
            ({"batch_tokens": 3}, "batch_tokens"),
            ({"families": {"add": -1}}, "weights"),
            ({"families": {"add": float("nan")}}, "add is a number"),
            ({"rate": "fast"}, "rate is a number"),
            ({"adam_share": 0}, "adam_share"),
            ({"decay": -0.1}, "decay"),
            ({"name": "../a"}, "folder"),
            ({"speed": 3}, "speed"),
        ):
            with self.assertRaisesRegex(ValueError, says):
                load_recipe(self.recipe("bad", [{**stage, **change}]))
        for stages in ([], [stage, stage]):
            with self.assertRaisesRegex(ValueError, "each of another name"):
                load_recipe(self.recipe("bad", stages))
        for name, value, says in (("num_hidden_layers", 6, "multiple of 4"), ("num_hidden_layers", 0, "positive"), ("num_key_value_heads", 0, "positive")):
            with self.assertRaisesRegex(ValueError, says):
                load_recipe(self.recipe("bad", [stage], shape={**TINY, name: value}))
        (self.folder / "list.json").write_text("[]")
        with self.assertRaisesRegex(ValueError, "an object"):
            load_recipe(self.folder / "list.json")
        unknown = self.recipe("unknown", [stage], families={"knitting": 1})
        self.assertIn("knitting", self.train(unknown, self.folder / "unknown", status=2))

    def test_refuses_impossible_options_before_it_trains(self):
        recipe, out = self.recipe("options", [dict(name="a", tokens=1000, rate=0.01, final_rate=0.0)]), self.folder / "options"
        for option in ("--threads", "--feeders", "--examine-every", "--examine-count"):
            self.assertIn(f"{option} is at least 1", self.train(recipe, out, option, "0", status=2))
        refusals = self.recipe("refusals", [dict(name="a", tokens=1000, rate=0.01, final_rate=0.0)], families={"refuse": 1})
        self.assertIn("--examine-count", self.train(refusals, out, "--examine-count", "201", status=2))
        self.assertFalse((out / "a").exists())
        exported = self.folder / "options-exported"
        weights = self.folder / "options.safetensors"
        save_weights(weights, initial_weights(Shape(**TINY), 1))
        common = ("--recipe", recipe, "--weights", weights, "--tokenizer", self.tokenizer, "--out", exported, "--problems")
        self.assertIn("at least 1", self.call("export.py", *common, "0", status=2))
        self.assertIn("only", self.call("export.py", *common, "201", status=1))  # there are 200 questions to refuse
        self.assertEqual(list(exported.iterdir()), [])

    def test_refuses_a_tokenizer_that_the_weights_were_not_trained_with(self):
        recipe = self.recipe("own", [dict(name="one", tokens=3000, rate=0.01, final_rate=0.0)])
        out, other = self.folder / "own", self.folder / "other-tokenizer"
        self.train(recipe, out)
        self.call("tokenizer.py", "--vocab", "512", "--problems", "300", "--seed", "2", "--out", other)
        weights = out / "one" / "model.safetensors"
        arguments = ("--recipe", recipe, "--tokenizer", other, "--out")
        self.assertIn("another tokenizer", self.call("train.py", *arguments, self.folder / "own-2", "--start", weights, status=2))
        self.assertIn("another tokenizer", self.call("export.py", *arguments, self.folder / "own-3", "--weights", weights, status=1))
        (other / "tokenizer.json").write_text("{}")
        self.assertIn("not a tokenizer", self.call("train.py", *arguments, self.folder / "own-2", status=2))

    def test_refuses_a_tokenizer_of_another_size(self):
        stage = dict(name="a", tokens=1000, rate=0.01, final_rate=0.0)
        other = self.recipe("other", [stage], shape={**TINY, "vocab_size": 1024})
        self.assertIn("512", self.train(other, self.folder / "other", status=2))

    def test_refuses_a_checkpoint_of_another_shape(self):
        recipe = self.recipe("small", [dict(name="one", tokens=3000, rate=0.01, final_rate=0.0)])
        out = self.folder / "small"
        self.train(recipe, out)
        wider = self.recipe("wider", [dict(name="one", tokens=3000, rate=0.01, final_rate=0.0)], shape={**TINY, "intermediate_size": 96})
        self.assertIn("fc1", self.train(wider, out, status=2))

    def test_refuses_a_damaged_checkpoint(self):
        shape, path = Shape(**TINY), self.folder / "damaged.safetensors"
        weights = initial_weights(shape, 1)
        save_weights(path, weights)
        whole = path.read_bytes()
        size = int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8 : 8 + size])
        name = "model.final_layernorm.bias"

        def with_header(changed) -> bytes:
            text = json.dumps(changed).encode()
            return len(text).to_bytes(8, "little") + text + whole[8 + size :]

        for content, says in (
            (b"", "not a safetensors file"),
            (b"\x10\0\0\0\0\0\0\0 not json at all", "not a safetensors file"),
            (with_header([1]), "not a safetensors file"),
            (with_header({**header, name: 3}), "not a safetensors file"),
            (with_header({**header, name: {"shape": [64]}}), "BF16"),
            (with_header({**header, name: {**header[name], "data_offsets": [0, 2]}}), "128 bytes are needed"),
            (whole[:-2], "cut off"),
            (whole[:-2] + b"\xc0\x7f", "NaN"),
        ):
            path.write_bytes(content)
            with self.assertRaisesRegex(ValueError, says):
                load_weights(path, shape)
        weights[name][3] = float("inf")
        with self.assertRaisesRegex(ValueError, name):
            save_weights(self.folder / "infinite.safetensors", weights)
        self.assertFalse((self.folder / "infinite.safetensors").exists())

    def test_averages_weights_by_their_shares(self):
        recipe = self.recipe("averaged", [dict(name="one", tokens=3000, rate=0.01, final_rate=0.0)])
        shape, a, b, out = Shape(**TINY), self.folder / "a.safetensors", self.folder / "b.safetensors", self.folder / "c.safetensors"
        for seed, path in ((1, a), (2, b)):
            save_weights(path, initial_weights(shape, seed))
        self.call("average.py", "--recipe", recipe, "--out", out, f"0.25={a}", f"0.75={b}")
        one, other, mean = (load_weights(path, shape) for path in (a, b, out))
        for name, value in mean.items():
            self.assertTrue(torch.equal(value, (0.25 * one[name] + 0.75 * other[name]).bfloat16().float()), name)
        for parts, said in (((f"0.5={a}",), "make 0.5 together"), ((f"1={a}.none",), "No such file"), ((f"1={recipe}",), "not a safetensors file")):
            self.assertIn(said, self.call("average.py", "--recipe", recipe, "--out", self.folder / "none", *parts, status=1))
        self.assertFalse((self.folder / "none").exists())

    def test_exports_a_folder_that_evaluate_reads(self):
        recipe = self.recipe("whole", [dict(name="one", tokens=3000, rate=0.01, final_rate=0.0)])
        self.train(recipe, self.folder / "whole")
        weights, out = self.folder / "whole" / "one" / "model.safetensors", self.folder / "exported"
        self.call("export.py", "--recipe", recipe, "--weights", weights, "--tokenizer", self.tokenizer, "--out", out, "--problems", "2")
        results = json.loads(self.call("evaluate.py", "--model", out, "--count", "4", "--family", "add", "--json"))
        self.assertIn("add", results)
        golden = json.loads((out / "golden.json").read_text())
        self.assertLess(golden["max_abs_error_fp32_vs_fp64"], 1e-3)
        config = json.loads((out / "config.json").read_text())
        (out / "config.json").write_text(json.dumps({**config, "vocab_size": 1024}))
        self.assertIn("1024", self.call("evaluate.py", "--model", out, status=1))
        (out / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-6}))
        self.assertIn("layer_norm_eps", self.call("evaluate.py", "--model", out, status=1))
        self.assertIn("knitting", self.call("evaluate.py", "--model", out, "--family", "knitting", status=1))
        (out / "card.json").write_text("{}")
        self.call("export.py", "--recipe", recipe, "--weights", weights, "--tokenizer", self.tokenizer, "--out", out, "--problems", "1")
        self.assertFalse((out / "card.json").exists())  # it was that of other weights


@unittest.skipIf(MISSING, f"needs PyTorch and tokenizers: {MISSING}")
class Divergence(unittest.TestCase):
    def progress(self, losses, from_random):
        progress = Progress(Stage("a", 1000, 0.01, 0.0, 1, {"add": 1}), from_random)
        for loss in losses:
            progress.add(torch.tensor(float(loss)))
        return progress

    def test_is_a_loss_that_is_no_number(self):
        with self.assertRaisesRegex(Diverged, "'a'"):
            self.progress([7.0, float("nan")], True).checked(2)

    def test_from_random_weights_is_any_loss_above_the_start(self):
        self.progress([7.0] * 10 + [6.9] * 200, True).checked(210)
        with self.assertRaisesRegex(Diverged, "at its start 7"):
            self.progress([7.0] * 10 + [7.5] * 200, True).checked(210)

    def test_of_trained_weights_leaves_room_for_a_new_rate(self):
        self.progress([0.01] * 10 + [0.02] * 200, False).checked(210)
        with self.assertRaises(Diverged):
            self.progress([0.01] * 10 + [0.05] * 200, False).checked(210)

    def test_is_a_weight_that_is_no_number(self):
        with self.assertRaisesRegex(Diverged, "fc1 holds NaN"):
            self.progress([1.0], False).checked_weights({"norm": torch.ones(3), "fc1": torch.tensor([1.0, float("nan")])})


if __name__ == "__main__":
    unittest.main()
