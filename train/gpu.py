"""The operations on a CUDA GPU, in Triton: the same as kernels/, packed rows, bf16 in memory, float32 inside.

Nothing here is needed on a CPU. All kernels are tested without a GPU by Triton's interpreter (TRITON_INTERPRET=1). `gpu_attention.py` and
`gpu_scan.py` have the two operations in which rows meet other rows over a distance.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch.autograd import Function

from gpu_attention import attend
from gpu_scan import scan

ROWS = 8  # rows of one program
PROGRAMS = 1056  # at most, where each keeps sums of its own: eight for every multiprocessor of an H100
CHANNELS = 64


def power_of_two(n: int) -> int:
    return triton.next_power_of_2(n)


@triton.jit(do_not_specialize=["rows"])
def add_norm_kernel(x, m, w, b, x_out, y, stats, rows, d: tl.constexpr, HAS_M: tl.constexpr, R: tl.constexpr, D: tl.constexpr):
    """x_out = x + m; y = its LayerNorm; stats [rows, 2]: mean and 1 / deviation."""
    r = tl.program_id(0) * R + tl.arange(0, R)
    j = tl.arange(0, D)
    inside = (r < rows)[:, None] & (j < d)[None, :]
    at = r[:, None] * d + j[None, :]
    value = tl.load(x + at, mask=inside, other=0.0)
    if HAS_M:
        value += tl.load(m + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(x_out + at, value, mask=inside)
    mean = tl.sum(value, 1) / d
    centred = tl.where(inside, value - mean[:, None], 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred, 1) / d + 1e-5)
    weight = tl.load(w + j, mask=j < d, other=0.0)
    bias = tl.load(b + j, mask=j < d, other=0.0)
    tl.store(y + at, centred * scale[:, None] * weight[None, :] + bias[None, :], mask=inside)
    tl.store(stats + 2 * r, mean, mask=r < rows)
    tl.store(stats + 2 * r + 1, scale, mask=r < rows)


@triton.jit(do_not_specialize=["rows"])
def add_norm_grad_kernel(
    x, w, stats, dx_out, dy, dx, dm, dw, db, rows, d: tl.constexpr, HAS_M: tl.constexpr, R: tl.constexpr, D: tl.constexpr
):
    """dx = dm = what comes past the norm and through it; dw, db [programs, d]: each program's own sums."""
    j = tl.arange(0, D)
    weight = tl.load(w + j, mask=j < d, other=0.0)
    weight_sum = tl.zeros((R, D), tl.float32)  # rows are added up at the end: within the loop warps would wait for each other
    bias_sum = tl.zeros((R, D), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(rows, R), tl.num_programs(0)):
        r = block * R + tl.arange(0, R)
        inside = (r < rows)[:, None] & (j < d)[None, :]
        at = r[:, None] * d + j[None, :]
        mean = tl.load(stats + 2 * r, mask=r < rows, other=0.0)
        scale = tl.load(stats + 2 * r + 1, mask=r < rows, other=0.0)
        normal = (tl.load(x + at, mask=inside, other=0.0) - mean[:, None]) * scale[:, None]
        normal = tl.where(inside, normal, 0.0)
        grad = tl.load(dy + at, mask=inside, other=0.0).to(tl.float32)
        weight_sum += grad * normal
        bias_sum += grad
        grad = grad * weight[None, :]
        through = grad - tl.sum(grad, 1)[:, None] / d - normal * (tl.sum(grad * normal, 1)[:, None] / d)
        total = tl.load(dx_out + at, mask=inside, other=0.0) + through * scale[:, None]
        tl.store(dx + at, total, mask=inside)
        if HAS_M:
            tl.store(dm + at, total, mask=inside)
    tl.store(dw + tl.program_id(0) * d + j, tl.sum(weight_sum, 0), mask=j < d)
    tl.store(db + tl.program_id(0) * d + j, tl.sum(bias_sum, 0), mask=j < d)


class AddNorm(Function):
    @staticmethod
    def forward(ctx, x, m, w, b, half):
        rows, d = x.shape
        m = m.contiguous() if m is not None else None
        x_out, y, stats = torch.empty_like(x), torch.empty_like(x, dtype=half), x.new_empty(rows, 2)
        add_norm_kernel[(triton.cdiv(rows, ROWS),)](
            x, x if m is None else m, w, b, x_out, y, stats, rows, d, m is not None, ROWS, power_of_two(d)
        )
        ctx.save_for_backward(x_out, w, stats)
        ctx.m_type = None if m is None else m.dtype
        return x_out, y

    @staticmethod
    def backward(ctx, dx_out, dy):
        x_out, w, stats = ctx.saved_tensors
        rows, d = x_out.shape
        dx = torch.empty_like(x_out)
        dm = torch.empty_like(x_out, dtype=ctx.m_type) if ctx.m_type else None
        programs = min(triton.cdiv(rows, ROWS), PROGRAMS)
        dw, db = x_out.new_empty(2, programs, d)
        add_norm_grad_kernel[(programs,)](
            x_out, w, stats, dx_out.contiguous(), dy.contiguous(), dx, dx if dm is None else dm, dw, db, rows, d, dm is not None, ROWS,
            power_of_two(d),
        )  # fmt: skip
        return dx, dm, dw.sum(0), db.sum(0), None


@triton.jit(do_not_specialize=["rows"])
def gate_kernel(a, b, out, rows, d: tl.constexpr, row_width: tl.constexpr, R: tl.constexpr, D: tl.constexpr):
    """out [rows, d] = silu(a) * b; row_width: how far rows of a and b lie apart."""
    r = tl.program_id(0) * R + tl.arange(0, R)
    j = tl.arange(0, D)
    inside = (r < rows)[:, None] & (j < d)[None, :]
    at = r[:, None] * row_width + j[None, :]
    gate = tl.load(a + at, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(b + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + r[:, None] * d + j[None, :], gate * tl.sigmoid(gate) * value, mask=inside)


@triton.jit(do_not_specialize=["rows"])
def gate_grad_kernel(a, b, dout, da, db, rows, d: tl.constexpr, row_width: tl.constexpr, R: tl.constexpr, D: tl.constexpr):
    r = tl.program_id(0) * R + tl.arange(0, R)
    j = tl.arange(0, D)
    inside = (r < rows)[:, None] & (j < d)[None, :]
    at = r[:, None] * row_width + j[None, :]
    gate = tl.load(a + at, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(b + at, mask=inside, other=0.0).to(tl.float32)
    grad = tl.load(dout + r[:, None] * d + j[None, :], mask=inside, other=0.0).to(tl.float32)
    s = tl.sigmoid(gate)
    tl.store(da + at, grad * value * s * (1 + gate * (1 - s)), mask=inside)
    tl.store(db + at, grad * gate * s, mask=inside)


def gate(a, b, row_width: int, out):
    rows, d = out.shape
    gate_kernel[(triton.cdiv(rows, 4),)](a, b, out, rows, d, row_width, 4, power_of_two(d))
    return out


def gate_grad(a, b, row_width: int, dout, da, db) -> None:
    rows, d = dout.shape
    gate_grad_kernel[(triton.cdiv(rows, 4),)](a, b, dout.contiguous(), da, db, rows, d, row_width, 4, power_of_two(d))


class Gate(Function):
    @staticmethod
    def forward(ctx, a, b):
        a, b = a.contiguous(), b.contiguous()
        ctx.save_for_backward(a, b)
        return gate(a, b, a.shape[1], torch.empty_like(a))

    @staticmethod
    def backward(ctx, dout):
        a, b = ctx.saved_tensors
        da, db = torch.empty_like(a), torch.empty_like(b)
        gate_grad(a, b, a.shape[1], dout, da, db)
        return da, db


class Glu(Function):
    @staticmethod
    def forward(ctx, h):
        h, d = h.contiguous(), h.shape[1] // 2
        ctx.save_for_backward(h)
        return gate(h, h[:, d:], 2 * d, h.new_empty(h.shape[0], d))

    @staticmethod
    def backward(ctx, dout):
        (h,) = ctx.saved_tensors
        dh, d = torch.empty_like(h), h.shape[1] // 2
        gate_grad(h, h[:, d:], 2 * d, dout, dh, dh[:, d:])
        return dh


@triton.jit
def convolved(x, w, r, place, j, live, d: tl.constexpr):
    """Four taps of rows r and channels j, the latest last, each zero before its sequence's beginning."""
    at = r[:, None] * d + j[None, :]
    x3 = tl.load(x + at, mask=live, other=0.0).to(tl.float32)
    x2 = tl.load(x + at - d, mask=live & (place >= 1)[:, None], other=0.0).to(tl.float32)
    x1 = tl.load(x + at - 2 * d, mask=live & (place >= 2)[:, None], other=0.0).to(tl.float32)
    x0 = tl.load(x + at - 3 * d, mask=live & (place >= 3)[:, None], other=0.0).to(tl.float32)
    return x0, x1, x2, x3


@triton.jit(do_not_specialize=["rows"])
def conv_silu_kernel(x, positions, w, b, out, rows, d: tl.constexpr, R: tl.constexpr, C: tl.constexpr):
    r = tl.program_id(0) * R + tl.arange(0, R)
    j = tl.program_id(1) * C + tl.arange(0, C)
    live = (r < rows)[:, None] & (j < d)[None, :]
    place = tl.load(positions + r, mask=r < rows, other=0)
    x0, x1, x2, x3 = convolved(x, w, r, place, j, live, d)
    w0 = tl.load(w + j, mask=j < d, other=0.0)
    w1 = tl.load(w + d + j, mask=j < d, other=0.0)
    w2 = tl.load(w + 2 * d + j, mask=j < d, other=0.0)
    w3 = tl.load(w + 3 * d + j, mask=j < d, other=0.0)
    value = tl.load(b + j, mask=j < d, other=0.0)[None, :] + x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3
    tl.store(out + r[:, None] * d + j[None, :], value * tl.sigmoid(value), mask=live)


@triton.jit(do_not_specialize=["rows"])
def conv_silu_grad_kernel(
    x, positions, w, b, dout, dvalue, dw, db, rows, d: tl.constexpr, R: tl.constexpr, C: tl.constexpr
):
    """dvalue [rows, d]: the gradient before silu; dw [programs, 4, d], db [programs, d]: each program's own sums."""
    j = tl.program_id(1) * C + tl.arange(0, C)
    w0 = tl.load(w + j, mask=j < d, other=0.0)
    w1 = tl.load(w + d + j, mask=j < d, other=0.0)
    w2 = tl.load(w + 2 * d + j, mask=j < d, other=0.0)
    w3 = tl.load(w + 3 * d + j, mask=j < d, other=0.0)
    bias = tl.load(b + j, mask=j < d, other=0.0)
    s0 = tl.zeros((R, C), tl.float32)
    s1 = tl.zeros((R, C), tl.float32)
    s2 = tl.zeros((R, C), tl.float32)
    s3 = tl.zeros((R, C), tl.float32)
    bias_sum = tl.zeros((R, C), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(rows, R), tl.num_programs(0)):
        r = block * R + tl.arange(0, R)
        live = (r < rows)[:, None] & (j < d)[None, :]
        place = tl.load(positions + r, mask=r < rows, other=0)
        x0, x1, x2, x3 = convolved(x, w, r, place, j, live, d)
        value = bias[None, :] + x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3
        s = tl.sigmoid(value)
        grad = tl.load(dout + r[:, None] * d + j[None, :], mask=live, other=0.0).to(tl.float32)
        grad = grad * s * (1 + value * (1 - s))
        tl.store(dvalue + r[:, None] * d + j[None, :], grad, mask=live)
        s0 += grad * x0
        s1 += grad * x1
        s2 += grad * x2
        s3 += grad * x3
        bias_sum += grad
    mine = dw + tl.program_id(0) * 4 * d + j
    tl.store(mine, tl.sum(s0, 0), mask=j < d)
    tl.store(mine + d, tl.sum(s1, 0), mask=j < d)
    tl.store(mine + 2 * d, tl.sum(s2, 0), mask=j < d)
    tl.store(mine + 3 * d, tl.sum(s3, 0), mask=j < d)
    tl.store(db + tl.program_id(0) * d + j, tl.sum(bias_sum, 0), mask=j < d)


@triton.jit(do_not_specialize=["rows"])
def conv_input_grad_kernel(dvalue, positions, w, dx, rows, d: tl.constexpr, R: tl.constexpr, C: tl.constexpr):
    """dx: a row's value went into its own convolution and those of the three rows behind it in its sequence."""
    r = tl.program_id(0) * R + tl.arange(0, R)
    j = tl.program_id(1) * C + tl.arange(0, C)
    place = tl.load(positions + r, mask=r < rows, other=0)
    at = r[:, None] * d + j[None, :]
    total = tl.zeros((R, C), tl.float32)
    for ahead in tl.static_range(4):
        later = tl.load(positions + r + ahead, mask=r + ahead < rows, other=-1)
        same = (later == place + ahead)[:, None] & (j < d)[None, :]
        tap = tl.load(w + (3 - ahead) * d + j, mask=j < d, other=0.0)
        total += tap[None, :] * tl.load(dvalue + at + ahead * d, mask=same, other=0.0).to(tl.float32)
    tl.store(dx + at, total, mask=(r < rows)[:, None] & (j < d)[None, :])


class ConvSilu(Function):
    @staticmethod
    def forward(ctx, x, w, b, positions):
        x, w = x.contiguous(), w.contiguous()
        rows, d = x.shape
        out = torch.empty_like(x)
        conv_silu_kernel[(triton.cdiv(rows, 16), triton.cdiv(d, CHANNELS))](x, positions, w, b, out, rows, d, 16, CHANNELS)
        ctx.save_for_backward(x, w, b, positions)
        return out

    @staticmethod
    def backward(ctx, dout):
        x, w, b, positions = ctx.saved_tensors
        rows, d = x.shape
        dvalue, dx = torch.empty_like(x), torch.empty_like(x)
        programs = min(triton.cdiv(rows, 16), PROGRAMS // 4)
        dw, db = w.new_empty(programs, 4, d), w.new_empty(programs, d)
        blocks = triton.cdiv(d, CHANNELS)
        conv_silu_grad_kernel[(programs, blocks)](
            x, positions, w, b, dout.contiguous(), dvalue, dw, db, rows, d, 16, CHANNELS
        )
        conv_input_grad_kernel[(triton.cdiv(rows, 16), blocks)](dvalue, positions, w, dx, rows, d, 16, CHANNELS)
        return dx, dw.sum(0), db.sum(0), None


@triton.jit(do_not_specialize=["count"])
def combine_kernel(a, lam, w, o, count, factor, WIDE: tl.constexpr, R: tl.constexpr):
    """Of each pair's two averages [count, 2, WIDE], the first less lam times the second, through RMSNorm."""
    r = tl.program_id(0) * R + tl.arange(0, R)
    j = tl.arange(0, WIDE)
    live = (r < count)[:, None]
    at = r[:, None] * (2 * WIDE) + j[None, :]
    first = tl.load(a + at, mask=live, other=0.0).to(tl.float32)
    second = tl.load(a + at + WIDE, mask=live, other=0.0).to(tl.float32)
    x = first - tl.load(lam) * second
    scale = tl.rsqrt(tl.sum(x * x, 1) / WIDE + 1e-5)
    tl.store(o + r[:, None] * WIDE + j[None, :], x * scale[:, None] * (tl.load(w + j) * factor)[None, :], mask=live)


@triton.jit(do_not_specialize=["count"])
def combine_grad_kernel(a, lam, w, do, da, dw, dlam, count, factor, WIDE: tl.constexpr, R: tl.constexpr):
    """dw [programs, WIDE], dlam [programs]: each program's own sums."""
    j = tl.arange(0, WIDE)
    weight = tl.load(w + j) * factor
    share = tl.load(lam)
    weight_sum = tl.zeros((R, WIDE), tl.float32)
    share_sum = tl.zeros((R, WIDE), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(count, R), tl.num_programs(0)):
        r = block * R + tl.arange(0, R)
        live = (r < count)[:, None]
        at = r[:, None] * (2 * WIDE) + j[None, :]
        first = tl.load(a + at, mask=live, other=0.0).to(tl.float32)
        second = tl.load(a + at + WIDE, mask=live, other=0.0).to(tl.float32)
        x = first - share * second
        scale = tl.rsqrt(tl.sum(x * x, 1) / WIDE + 1e-5)
        normal = x * scale[:, None]
        grad = tl.load(do + r[:, None] * WIDE + j[None, :], mask=live, other=0.0).to(tl.float32)
        weight_sum += grad * normal
        grad = grad * weight[None, :]
        dx = (grad - normal * (tl.sum(grad * normal, 1)[:, None] / WIDE)) * scale[:, None]
        tl.store(da + at, dx, mask=live)
        tl.store(da + at + WIDE, -share * dx, mask=live)
        share_sum -= dx * second
    tl.store(dw + tl.program_id(0) * WIDE + j, tl.sum(weight_sum, 0) * factor)
    tl.store(dlam + tl.program_id(0), tl.sum(tl.sum(share_sum, 1), 0))


class Combine(Function):
    @staticmethod
    def forward(ctx, a, lam, w, factor):
        a, wide = a.contiguous(), w.shape[0]
        count = a.numel() // (2 * wide)
        o = a.new_empty(a.shape[0], a.shape[1] // 2)
        combine_kernel[(triton.cdiv(count, 16),)](a, lam, w, o, count, factor, wide, 16)
        ctx.save_for_backward(a, lam, w)
        ctx.factor = factor
        return o

    @staticmethod
    def backward(ctx, do):
        a, lam, w = ctx.saved_tensors
        wide = w.shape[0]
        count = a.numel() // (2 * wide)
        programs = min(triton.cdiv(count, 16), PROGRAMS)
        da, dw, dlam = torch.empty_like(a), w.new_empty(programs, wide), w.new_empty(programs)
        combine_grad_kernel[(programs,)](a, lam, w, do.contiguous(), da, dw, dlam, count, ctx.factor, wide, 16)
        return da, dlam.sum(), dw.sum(0), None


@triton.jit
def cross_entropy_kernel(logits, targets, losses, right, grad, scale, V: tl.constexpr, D: tl.constexpr):
    """One row: its loss, whether the target is the likeliest token, and the gradient of scale times the loss."""
    r = tl.program_id(0).to(tl.int64)
    j = tl.arange(0, D)
    x = tl.load(logits + r * V + j, mask=j < V, other=-float("inf")).to(tl.float32)
    target = tl.load(targets + r)
    top = tl.max(x, 0)
    e = tl.exp(x - top)
    total = tl.sum(e, 0)
    own = tl.sum(tl.where(j == target, x, 0.0), 0)
    tl.store(losses + r, tl.log(total) + top - own)
    tl.store(right + r, (tl.argmax(x, 0) == target).to(tl.uint8))
    tl.store(grad + r * V + j, (e / total - tl.where(j == target, 1.0, 0.0)) * scale, mask=j < V)


class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, logits, targets, scale):
        rows, vocabulary = logits.shape
        logits, grad = logits.contiguous(), torch.empty_like(logits)
        losses = logits.new_empty(rows, dtype=torch.float32)
        right = logits.new_empty(rows, dtype=torch.uint8)
        cross_entropy_kernel[(rows,)](logits, targets, losses, right, grad, scale, vocabulary, power_of_two(vocabulary))
        ctx.save_for_backward(grad)
        ctx.mark_non_differentiable(right)
        return losses.sum() * scale, right

    @staticmethod
    def backward(ctx, dloss, _):
        (grad,) = ctx.saved_tensors
        return grad, None, None


class GpuOps:
    """The interface of NativeOps. `half` float32 is for the tests."""

    residual = torch.float32

    def __init__(self, half: torch.dtype = torch.bfloat16):
        self.half = half
        self.linear = F.linear
        self.glu = Glu.apply
        self.gate = Gate.apply
        self.combine = Combine.apply
        self.cross_entropy = CrossEntropy.apply

    def add_norm(self, x, m, w, b):
        return AddNorm.apply(x, m, w, b, self.half)

    def conv_silu(self, x, w, b, layout):
        return ConvSilu.apply(x, w, b, layout.positions)

    def scan(self, u, dt_raw, dt_bias, a, bc, skip, layout):
        return scan(u, dt_raw, dt_bias, a, bc, skip, layout.starts)

    def attend(self, q, kv, layout, heads: int, kv_heads: int, window: int):
        return attend(q, kv, layout, heads, kv_heads, window)
