"""Muon for the projection matrices, Adam for everything else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from ops import has_bf16_products
from sambay import Shape, is_matrix


class Optimizer:
    """One step moves the float32 weights in place. Tensors are taken in lists: on a GPU one launch serves many."""

    def __init__(self, weights: dict[str, torch.Tensor], shape: Shape, adam_share: float, decay: float):
        """adam_share: Adam's rate as a share of Muon's; decay: weight decay of Muon's matrices, times the rate."""
        self.adam_share, self.decay, self.steps = adam_share, decay, 0
        by_shape: dict[tuple, list[str]] = {}
        for name, value in weights.items():
            if name.endswith(".weight") and is_matrix(name) and "embed" not in name and "dt_proj" not in name:
                by_shape.setdefault(tuple(value.shape), []).append(name)
        self.groups = [_MuonGroup(names, weights, shape) for names in by_shape.values()]
        muon = {name for group in self.groups for name in group.names}
        self.adam = [name for name in weights if name not in muon]
        self.adam_weights = [weights[name] for name in self.adam]
        self.first = [torch.zeros_like(value) for value in self.adam_weights]
        self.second = [torch.zeros_like(value) for value in self.adam_weights]

    def step(self, gradients: dict[str, torch.Tensor], rate: float, pool: ThreadPoolExecutor) -> None:
        self.steps += 1
        work = [pool.submit(group.step, gradients, rate, self.decay) for group in self.groups]
        self._adam([gradients[name] for name in self.adam], rate * self.adam_share)
        for each in work:
            each.result()

    def _adam(self, gradients: list[torch.Tensor], rate: float, beta1=0.9, beta2=0.95, epsilon=1e-8) -> None:
        torch._foreach_mul_(self.first, beta1)
        torch._foreach_add_(self.first, gradients, alpha=1 - beta1)
        torch._foreach_mul_(self.second, beta2)
        torch._foreach_add_(self.second, torch._foreach_mul(gradients, gradients), alpha=1 - beta2)
        means = torch._foreach_div(self.first, 1 - beta1**self.steps)
        roots = torch._foreach_sqrt(torch._foreach_div(self.second, 1 - beta2**self.steps))
        torch._foreach_add_(roots, epsilon)
        torch._foreach_addcdiv_(self.adam_weights, means, roots, value=-rate)


class _MuonGroup:
    """Matrices of one shape."""

    def __init__(self, names: list[str], weights: dict[str, torch.Tensor], shape: Shape):
        self.names = names
        self.momentum = [torch.zeros_like(weights[name]) for name in names]
        rows = weights[names[0]].shape[0]
        self.blocks = [(rows, [weights[name][rows] for name in names]) for rows in _blocks(names[0], rows, shape.hidden_size)]

    def step(self, gradients: dict[str, torch.Tensor], rate: float, decay: float) -> None:
        mine = [gradients[name] for name in self.names]
        torch._foreach_mul_(self.momentum, 0.95)
        torch._foreach_add_(self.momentum, mine)
        updates = torch.stack(torch._foreach_add(mine, self.momentum, alpha=0.95))
        for rows, weights in self.blocks:
            part = orthogonal(updates[:, rows])
            step = rate * max(1, part.shape[1] / part.shape[2]) ** 0.5
            torch._foreach_mul_(weights, 1 - rate * decay)
            torch._foreach_add_(weights, list(part.float().unbind()), alpha=-step)


def _blocks(name: str, rows: int, hidden: int) -> list[slice]:
    """The row blocks of a matrix that are updated apart: queries, keys and values are three matrices in one."""
    if not name.endswith("Wqkv.weight") or rows == hidden:
        return [slice(0, rows)]
    keys_end = hidden + (rows - hidden) // 2
    return [slice(0, hidden), slice(hidden, keys_end), slice(keys_end, rows)]


def orthogonal(x: torch.Tensor) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrices to x [n, rows, columns], roughly: five Newton-Schulz steps of Muon's polynomial, in bf16 where that is fast."""
    half = torch.bfloat16 if x.is_cuda or has_bf16_products() else torch.float32
    tall = x.shape[1] > x.shape[2]
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = (x.transpose(1, 2) if tall else x).to(half)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x
