"""The operations on a CUDA GPU: PlainOps with padded batches, and the selective scan in Triton.

Nothing here is needed on a CPU. The scan's kernels are tested without a GPU by Triton's interpreter (TRITON_INTERPRET=1).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch.autograd import Function

from ops import Layout, PlainOps

STATE = 16
BLOCK = 32  # channels of one program


@triton.jit
def scan_kernel(starts, u, dt, a, b, c, skip, y, states, d, BLOCK: tl.constexpr, STATE: tl.constexpr):
    """One sequence, BLOCK channels. dt: after softplus; a: [STATE, d]; b, c: [rows, STATE]; states: [rows, STATE, d], after each step."""
    begin = tl.load(starts + tl.program_id(0))
    end = tl.load(starts + tl.program_id(0) + 1)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    n = tl.arange(0, STATE)
    inside = j < d
    rate = tl.load(a + n[:, None] * d + j[None, :], mask=inside[None, :], other=0.0)
    through = tl.load(skip + j, mask=inside, other=0.0)
    h = tl.zeros((STATE, BLOCK), tl.float32)
    for t in range(begin, end):
        step = tl.load(dt + t * d + j, mask=inside, other=0.0)
        value = tl.load(u + t * d + j, mask=inside, other=0.0)
        h = tl.exp(step[None, :] * rate) * h + (step * value)[None, :] * tl.load(b + t * STATE + n)[:, None]
        tl.store(states + (t * STATE + n[:, None]) * d + j[None, :], h, mask=inside[None, :])
        out = tl.sum(h * tl.load(c + t * STATE + n)[:, None], axis=0) + through * value
        tl.store(y + t * d + j, out, mask=inside)


@triton.jit
def scan_grad_kernel(
    starts, u, dt, a, b, c, skip, states, dy, du, ddt, da, db, dc, dskip, d, BLOCK: tl.constexpr, STATE: tl.constexpr
):
    """From dy: du, ddt [rows, d]; added to atomically: da [STATE, d], db, dc [rows, STATE], dskip [d]."""
    begin = tl.load(starts + tl.program_id(0))
    end = tl.load(starts + tl.program_id(0) + 1)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    n = tl.arange(0, STATE)
    inside = j < d
    rate = tl.load(a + n[:, None] * d + j[None, :], mask=inside[None, :], other=0.0)
    through = tl.load(skip + j, mask=inside, other=0.0)
    dh = tl.zeros((STATE, BLOCK), tl.float32)
    drate = tl.zeros((STATE, BLOCK), tl.float32)
    dthrough = tl.zeros((BLOCK,), tl.float32)
    for back in range(begin, end):
        t = end - 1 - (back - begin)
        step = tl.load(dt + t * d + j, mask=inside, other=0.0)
        value = tl.load(u + t * d + j, mask=inside, other=0.0)
        grad = tl.load(dy + t * d + j, mask=inside, other=0.0)
        b_row = tl.load(b + t * STATE + n)[:, None]
        h = tl.load(states + (t * STATE + n[:, None]) * d + j[None, :], mask=inside[None, :], other=0.0)
        earlier = tl.maximum(t - 1, begin)
        before = tl.load(states + (earlier * STATE + n[:, None]) * d + j[None, :], mask=inside[None, :], other=0.0)
        before = tl.where(t > begin, before, 0.0)
        tl.atomic_add(dc + t * STATE + n, tl.sum(h * grad[None, :], axis=1))
        dh += grad[None, :] * tl.load(c + t * STATE + n)[:, None]
        tl.atomic_add(db + t * STATE + n, tl.sum(dh * (step * value)[None, :], axis=1))
        from_b = tl.sum(dh * b_row, axis=0)
        dh = dh * tl.exp(step[None, :] * rate)  # now with respect to the state before the step
        back_through = dh * before
        drate += back_through * step[None, :]
        tl.store(du + t * d + j, from_b * step + through * grad, mask=inside)
        tl.store(ddt + t * d + j, tl.sum(back_through * rate, axis=0) + from_b * value, mask=inside)
        dthrough += grad * value
    tl.atomic_add(da + n[:, None] * d + j[None, :], drate, mask=inside[None, :])
    tl.atomic_add(dskip + j, dthrough, mask=inside)


class Scan(Function):
    """y [rows, d] float32 from float32 u, dt [rows, d] (dt after softplus), a [16, d], b, c [rows, 16], skip [d]."""

    @staticmethod
    def forward(ctx, u, dt, a, b, c, skip, starts):
        u, dt, a, b, c, skip = (x.contiguous() for x in (u, dt, a, b, c, skip))
        rows, d = u.shape
        y, states = torch.empty_like(u), u.new_empty(rows, STATE, d)
        grid = (len(starts) - 1, triton.cdiv(d, BLOCK))
        scan_kernel[grid](starts, u, dt, a, b, c, skip, y, states, d, BLOCK, STATE)
        ctx.save_for_backward(u, dt, a, b, c, skip, starts, states)
        return y

    @staticmethod
    def backward(ctx, dy):
        u, dt, a, b, c, skip, starts, states = ctx.saved_tensors
        d = u.shape[1]
        du, ddt = torch.empty_like(u), torch.empty_like(dt)
        da, db, dc, dskip = (torch.zeros_like(x) for x in (a, b, c, skip))
        grid = (len(starts) - 1, triton.cdiv(d, BLOCK))
        scan_grad_kernel[grid](
            starts, u, dt, a, b, c, skip, states, dy.contiguous(), du, ddt, da, db, dc, dskip, d, BLOCK, STATE
        )
        return du, ddt, da, db, dc, dskip, None


class GpuOps(PlainOps):
    """PlainOps without a loop over sequences: rows are laid out as [sequences, longest] where neighbours matter."""

    @staticmethod
    def padded(rows: torch.Tensor, starts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """rows as [sequences, longest, width], zero behind each sequence's end, and the mask [sequences, longest] of real rows."""
        lengths = (starts[1:] - starts[:-1]).long()
        longest = int(lengths.max())
        place = torch.arange(longest, device=rows.device)
        real = place[None, :] < lengths[:, None]
        out = rows.new_zeros(len(lengths), longest, rows.shape[1])
        out[real] = rows
        return out, real

    def conv_silu(self, x, w, b, layout: Layout):
        rows, real = self.padded(x, layout.starts)
        taps = w.t()[:, None, :].to(x.dtype)
        c = F.conv1d(F.pad(rows.transpose(1, 2), (3, 0)), taps, b.to(x.dtype), groups=x.shape[1])
        return F.silu(c.transpose(1, 2)[real]).to(self.half)

    def scan(self, u, dt_raw, dt_bias, a, bc, skip, layout: Layout):
        dt = F.softplus(dt_raw.float() + dt_bias)
        b, c = bc.float().chunk(2, -1)
        return Scan.apply(u.float(), dt, a.float(), b, c, skip.float(), layout.starts).to(self.half)

    def attend(self, q, kv, layout: Layout, heads: int, kv_heads: int, window: int):
        width, pairs = q.shape[1] // heads, kv_heads // 2
        group = heads // kv_heads  # query pairs that share a KV pair
        rows, real = self.padded(kv, layout.starts)
        queries, asks = self.padded(q, layout.q_starts)
        own, _ = self.padded(layout.positions[:, None].to(q.device), layout.q_starts)
        distance = own - torch.arange(rows.shape[1], device=q.device)[None, None, :]
        visible = (distance >= 0) & ((distance < window) if window else True)
        k, v = rows.chunk(2, -1)
        sequences, keys = k.shape[:2]
        k = k.reshape(sequences, keys, pairs, 1, 2, width).permute(0, 2, 3, 4, 1, 5)  # [s, pair, 1, member, keys, width]
        v = v.reshape(sequences, keys, pairs, 1, 1, 2 * width).permute(0, 2, 3, 4, 1, 5)
        queries = queries.reshape(sequences, -1, pairs, group, 2, width).permute(0, 2, 3, 4, 1, 5)
        scores = (queries @ k.transpose(-1, -2)).float() / width**0.5
        p = torch.softmax(scores.masked_fill(~visible[:, None, None, None], float("-inf")), -1).to(v.dtype)
        out = (p @ v).permute(0, 4, 1, 2, 3, 5).reshape(sequences, queries.shape[4], heads * 2 * width)
        return out[asks].to(self.half)
