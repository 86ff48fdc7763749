"""Mamba's selective scan in Triton: one program goes through one sequence with BLOCK channels, their states in registers."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch.autograd import Function

STATE = 16
BLOCK = 32  # channels of one program


@triton.jit
def softplus(x):
    """log(1 + exp(x)), by its series where 1 + exp(x) would lose digits."""
    e = tl.exp(tl.minimum(x, 20.0))
    return tl.where(x > 20.0, x, tl.where(e < 1e-2, e * (1 - e * (0.5 - e * (1 / 3 - e * 0.25))), tl.log(1 + e)))


@triton.jit
def scan_kernel(starts, u, dt_raw, dt_bias, a, bc, skip, y, states, d: tl.constexpr, BLOCK: tl.constexpr, STATE: tl.constexpr):
    """a: [STATE, d]; bc: [rows, 2 * STATE]; states: [rows, STATE, d], after each step."""
    begin = tl.load(starts + tl.program_id(0)).to(tl.int64)  # a state's place does not fit 32 bits
    end = tl.load(starts + tl.program_id(0) + 1).to(tl.int64)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    n = tl.arange(0, STATE)
    inside = j < d
    rate = tl.load(a + n[:, None] * d + j[None, :], mask=inside[None, :], other=0.0)
    through = tl.load(skip + j, mask=inside, other=0.0)
    bias = tl.load(dt_bias + j, mask=inside, other=0.0)
    h = tl.zeros((STATE, BLOCK), tl.float32)
    for t in range(begin, end):
        step = softplus(tl.load(dt_raw + t * d + j, mask=inside, other=0.0).to(tl.float32) + bias)
        value = tl.load(u + t * d + j, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(bc + t * 2 * STATE + n).to(tl.float32)
        c = tl.load(bc + t * 2 * STATE + STATE + n).to(tl.float32)
        h = tl.exp(step[None, :] * rate) * h + (step * value)[None, :] * b[:, None]
        tl.store(states + (t * STATE + n[:, None]) * d + j[None, :], h, mask=inside[None, :])
        tl.store(y + t * d + j, tl.sum(h * c[:, None], axis=0) + through * value, mask=inside)


@triton.jit
def scan_grad_kernel(
    starts, u, dt_raw, dt_bias, a, bc, skip, states, dy, du, ddt, da, dbc, ddt_bias, dskip,
    d: tl.constexpr, BLOCK: tl.constexpr, STATE: tl.constexpr,
):  # fmt: skip
    """From dy: du, ddt [rows, d]; added to atomically: da [STATE, d], dbc [rows, 2 * STATE], ddt_bias, dskip [d]."""
    begin = tl.load(starts + tl.program_id(0)).to(tl.int64)  # a state's place does not fit 32 bits
    end = tl.load(starts + tl.program_id(0) + 1).to(tl.int64)
    j = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    n = tl.arange(0, STATE)
    inside = j < d
    rate = tl.load(a + n[:, None] * d + j[None, :], mask=inside[None, :], other=0.0)
    through = tl.load(skip + j, mask=inside, other=0.0)
    bias = tl.load(dt_bias + j, mask=inside, other=0.0)
    dh = tl.zeros((STATE, BLOCK), tl.float32)
    drate = tl.zeros((STATE, BLOCK), tl.float32)
    dthrough = tl.zeros((BLOCK,), tl.float32)
    dbias = tl.zeros((BLOCK,), tl.float32)
    last = tl.maximum(end - 1, begin)
    h = tl.load(states + (last * STATE + n[:, None]) * d + j[None, :], mask=inside[None, :], other=0.0).to(tl.float32)
    for back in range(begin, end):
        t = end - 1 - (back - begin)
        raw = tl.load(dt_raw + t * d + j, mask=inside, other=0.0).to(tl.float32) + bias
        step = softplus(raw)
        value = tl.load(u + t * d + j, mask=inside, other=0.0).to(tl.float32)
        grad = tl.load(dy + t * d + j, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(bc + t * 2 * STATE + n).to(tl.float32)[:, None]
        c = tl.load(bc + t * 2 * STATE + STATE + n).to(tl.float32)[:, None]
        earlier = states + (tl.maximum(t - 1, begin) * STATE + n[:, None]) * d + j[None, :]
        before = tl.load(earlier, mask=inside[None, :], other=0.0).to(tl.float32)
        before = tl.where(t > begin, before, 0.0)
        tl.atomic_add(dbc + t * 2 * STATE + STATE + n, tl.sum(h * grad[None, :], axis=1), sem="relaxed")
        dh += grad[None, :] * c
        tl.atomic_add(dbc + t * 2 * STATE + n, tl.sum(dh * (step * value)[None, :], axis=1), sem="relaxed")
        from_b = tl.sum(dh * b, axis=0)
        dh = dh * tl.exp(step[None, :] * rate)  # now with respect to the state before the step
        back_through = dh * before
        drate += back_through * step[None, :]
        dstep = (tl.sum(back_through * rate, axis=0) + from_b * value) * tl.sigmoid(raw)
        tl.store(du + t * d + j, from_b * step + through * grad, mask=inside)
        tl.store(ddt + t * d + j, dstep, mask=inside)
        dbias += dstep
        dthrough += grad * value
        h = before
    tl.atomic_add(da + n[:, None] * d + j[None, :], drate, mask=inside[None, :], sem="relaxed")
    tl.atomic_add(ddt_bias + j, dbias, mask=inside, sem="relaxed")
    tl.atomic_add(dskip + j, dthrough, mask=inside, sem="relaxed")


class Scan(Function):
    @staticmethod
    def forward(ctx, u, dt_raw, dt_bias, a, bc, skip, starts):
        u, dt_raw, a, bc = (x.contiguous() for x in (u, dt_raw, a, bc))
        rows, d = u.shape
        y, states = torch.empty_like(u), u.new_empty(rows, STATE, d)
        grid = (len(starts) - 1, triton.cdiv(d, BLOCK))
        scan_kernel[grid](starts, u, dt_raw, dt_bias, a, bc, skip, y, states, d, BLOCK, STATE, num_warps=1)
        ctx.save_for_backward(u, dt_raw, dt_bias, a, bc, skip, starts, states)
        return y

    @staticmethod
    def backward(ctx, dy):
        u, dt_raw, dt_bias, a, bc, skip, starts, states = ctx.saved_tensors
        d = u.shape[1]
        du, ddt = torch.empty_like(u), torch.empty_like(dt_raw)
        da, ddt_bias, dskip = (torch.zeros_like(x) for x in (a, dt_bias, skip))
        dbc = torch.zeros_like(bc, dtype=torch.float32)
        grid = (len(starts) - 1, triton.cdiv(d, BLOCK))
        scan_grad_kernel[grid](
            starts, u, dt_raw, dt_bias, a, bc, skip, states, dy.contiguous(), du, ddt, da, dbc, ddt_bias, dskip, d, BLOCK, STATE, num_warps=1
        )
        return du, ddt, ddt_bias, da, dbc.to(bc.dtype), dskip, None


def scan(u, dt_raw, dt_bias, a, bc, skip, starts):
    """y [rows, d] from u, dt_raw [rows, d], dt_bias, skip [d], a [16, d], bc [rows, 32]; starts: int32, first row of each sequence."""
    return Scan.apply(u, dt_raw, dt_bias, a, bc, skip, starts)
