"""The GPU's operations against plain PyTorch in float64, on the CPU by Triton's interpreter. Skipped where Triton is missing."""

import os
import sys
import unittest
from pathlib import Path

os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "train"))
try:
    import torch

    from gpu import GpuOps
    from ops import Layout, PlainOps

    MISSING = None
except ImportError as error:
    MISSING = str(error)


@unittest.skipIf(MISSING, f"needs PyTorch and Triton: {MISSING}")
class GpuOperations(unittest.TestCase):
    """All in float32: sums of up to 48 terms, each rounded to 2^-24; 1e-5 of the norm is more than ten times what that can give."""

    def setUp(self):
        torch.manual_seed(1)
        starts = torch.tensor([0, 3, 12, 20], dtype=torch.int32)
        positions = torch.cat([torch.arange(n) for n in (3, 9, 8)]).int()
        self.rows, self.every = 20, Layout(starts, starts, positions)
        asking = torch.tensor([2, 7, 8, 15, 19])
        self.some = Layout(starts, torch.tensor([0, 1, 3, 5], dtype=torch.int32), positions[asking].contiguous())

    def compare(self, name, inputs, *rest):
        ours = [x.clone().requires_grad_() for x in inputs]
        theirs = [x.double().requires_grad_() for x in inputs]
        got, wanted = getattr(GpuOps(torch.float32), name)(*ours, *rest), getattr(PlainOps(torch.float64), name)(*theirs, *rest)
        grad = torch.randn_like(got)
        pairs = zip(torch.autograd.grad(got, ours, grad), torch.autograd.grad(wanted, theirs, grad.double()))
        for x, y in [(got, wanted), *pairs]:
            self.assertLess(float((x.double() - y).norm() / y.norm()), 1e-5, name)

    def test_convolution(self):
        self.compare("conv_silu", [torch.randn(self.rows, 48), torch.randn(4, 48), torch.randn(48)], self.every)

    def test_scan(self):
        d = 48  # not a multiple of a program's channels
        inputs = [torch.randn(self.rows, d), torch.randn(self.rows, d), torch.randn(d), -3 * torch.rand(16, d)]
        self.compare("scan", [*inputs, torch.randn(self.rows, 32), torch.randn(d)], self.every)

    def test_attention(self):
        for window in (0, 4):
            self.compare("attend", [torch.randn(self.rows, 192), torch.randn(self.rows, 128)], self.every, 6, 2, window)

    def test_attention_of_some_rows(self):
        self.compare("attend", [torch.randn(5, 256), torch.randn(self.rows, 256)], self.some, 8, 4, 0)


if __name__ == "__main__":
    unittest.main()
