"""The GPU's operations against plain PyTorch in float64: on a GPU where there is one, else by Triton's interpreter. Skipped without Triton."""

import os
import sys
import unittest
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "train"))
try:
    import torch

    DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
    if DEVICE == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
    from gpu import GpuOps
    from ops import Layout, PlainOps

    MISSING = None
except ImportError as error:
    MISSING = str(error)


@unittest.skipIf(MISSING, f"needs PyTorch and Triton: {MISSING}")
class GpuOperations(unittest.TestCase):
    """All in float32: sums of up to a few hundred terms, each rounded to 2^-24; 1e-5 of the norm is ten times what that can give."""

    def setUp(self):
        torch.manual_seed(1)
        lengths = (3, 1, 9, 70)  # shorter and longer than a block of rows, of queries, of keys
        self.rows = sum(lengths)
        starts = torch.tensor([0, *lengths]).cumsum(0).int()
        positions = torch.cat([torch.arange(n) for n in lengths]).int()
        self.every = Layout(starts, starts, positions)
        self.asking = torch.tensor([2, 5, 6, 12, 13, 40, 80, 82])
        q_starts = torch.searchsorted(self.asking, starts.long()).int()
        self.some = Layout(starts, q_starts, positions[self.asking].contiguous())

    def compare(self, name, inputs, *rest):
        ours = [x.clone().to(DEVICE).requires_grad_() for x in inputs]
        theirs = [x.double().requires_grad_() for x in inputs]
        on_device = [x.to(DEVICE) if isinstance(x, Layout) else x for x in rest]
        got = getattr(GpuOps(torch.float32), name)(*ours, *on_device)
        wanted = getattr(PlainOps(torch.float64), name)(*theirs, *rest)
        got, wanted = (x if isinstance(x, tuple) else (x,) for x in (got, wanted))
        grads = [torch.randn(x.shape) for x in got]
        ours_back = torch.autograd.grad(got, ours, [grad.to(DEVICE) for grad in grads])
        theirs_back = torch.autograd.grad(wanted, theirs, [grad.double() for grad in grads])
        for i, (x, y) in enumerate([*zip(got, wanted), *zip(ours_back, theirs_back)]):
            self.assertLess(float((x.cpu().double() - y).norm() / y.norm()), 1e-5, f"{name}: {i}")

    def test_norm(self):
        d = 48
        self.compare("add_norm", [torch.randn(self.rows, d), torch.randn(self.rows, d), torch.randn(d), torch.randn(d)])

    def test_gates(self):
        self.compare("glu", [torch.randn(self.rows, 96)])
        self.compare("gate", [torch.randn(self.rows, 48), torch.randn(self.rows, 48)])

    def test_convolution(self):
        self.compare("conv_silu", [torch.randn(self.rows, 80), torch.randn(4, 80), torch.randn(80)], self.every)

    def test_scan(self):
        d = 48  # not a multiple of a program's channels
        # Steps as softplus makes them from -12 to 25: its series, its logarithm, its straight line.
        raw = torch.randn(self.rows, d) + torch.linspace(-12, 25, d)
        inputs = [torch.randn(self.rows, d), raw, torch.randn(d), -3 * torch.rand(16, d)]
        self.compare("scan", [*inputs, torch.randn(self.rows, 32), torch.randn(d)], self.every)

    def test_attention(self):
        for window in (0, 4):
            self.compare("attend", [torch.randn(self.rows, 96), torch.randn(self.rows, 64)], self.every, 6, 2, window)

    def test_attention_of_some_rows(self):
        self.compare("attend", [torch.randn(len(self.asking), 128), torch.randn(self.rows, 128)], self.some, 8, 4, 0)

    def test_difference(self):
        self.compare("combine", [torch.randn(self.rows, 192), torch.tensor(0.37), torch.randn(32)], 0.4)

    def test_loss(self):
        logits, targets = torch.randn(20, 300), torch.randint(0, 300, (20,), dtype=torch.int32)
        ours, theirs = logits.to(DEVICE).requires_grad_(), logits.double().requires_grad_()
        loss, right = GpuOps(torch.float32).cross_entropy(ours, targets.to(DEVICE), 0.05)
        reference, expected = PlainOps(torch.float64).cross_entropy(theirs, targets, 0.05)
        self.assertLess(abs(float(loss) / float(reference) - 1), 1e-5)
        self.assertTrue(torch.equal(right.cpu().bool(), expected))
        grad, wanted = torch.autograd.grad(loss, ours)[0], torch.autograd.grad(reference, theirs)[0]
        self.assertLess(float((grad.cpu().double() - wanted).norm() / wanted.norm()), 1e-5)


if __name__ == "__main__":
    unittest.main()
