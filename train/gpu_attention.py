"""The averages of differential attention in Triton: FlashAttention over packed sequences.

Heads come in pairs. Head h asks key head 2p + h % 2 of its pair p of key heads, and averages that pair's values, which are twice as wide.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch.autograd import Function

QUERIES = 64  # of one program
KEYS = 64


@triton.jit
def visible(own, keys, length, WINDOW: tl.constexpr):
    """[queries, keys]: own: the queries' positions, -1 behind the last one."""
    seen = (keys[None, :] <= own[:, None]) & (keys < length)[None, :]
    if WINDOW > 0:
        seen = seen & (own[:, None] - keys[None, :] < WINDOW)
    return seen


@triton.jit
def attend_kernel(
    q, kv, starts, q_starts, positions, o, lse, scale,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, W: tl.constexpr, WINDOW: tl.constexpr, BQ: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """BQ queries of one head of one sequence; lse [queries, HEADS]: log of the sum of exponentials."""
    s, head = tl.program_id(0), tl.program_id(2)
    first = tl.load(q_starts + s) + tl.program_id(1) * BQ
    q_end = tl.load(q_starts + s + 1)
    if first >= q_end:
        return
    begin = tl.load(starts + s)
    length = tl.load(starts + s + 1) - begin
    r = first + tl.arange(0, BQ)
    live = r < q_end
    own = tl.load(positions + r, mask=live, other=-1)
    pair = head // 2 // (HEADS // KV_HEADS)
    j, wide = tl.arange(0, W), tl.arange(0, 2 * W)
    queries = tl.load(q + r[:, None] * (HEADS * W) + head * W + j[None, :], mask=live[:, None], other=0.0)
    lowest = 0
    if WINDOW > 0:
        lowest = tl.maximum(tl.load(positions + first) - WINDOW + 1, 0) // BK * BK
    top = tl.full((BQ,), -float("inf"), tl.float32)
    total = tl.zeros((BQ,), tl.float32)
    average = tl.zeros((BQ, 2 * W), tl.float32)
    for block in range(lowest, tl.max(own, 0) + 1, BK):
        key = block + tl.arange(0, BK)
        row = kv + (begin + key)[:, None] * (2 * KV_HEADS * W)
        there = (key < length)[:, None]
        keys = tl.load(row + (2 * pair + head % 2) * W + j[None, :], mask=there, other=0.0)
        values = tl.load(row + KV_HEADS * W + 2 * pair * W + wide[None, :], mask=there, other=0.0)
        score = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
        score = tl.where(visible(own, key, length, WINDOW), score, -float("inf"))
        highest = tl.maximum(top, tl.max(score, 1))
        level = tl.where(highest == -float("inf"), 0.0, highest)  # of a row that has seen nothing yet
        e = tl.exp(score - level[:, None])
        shrink = tl.exp(top - level)
        total = total * shrink + tl.sum(e, 1)
        average = average * shrink[:, None] + tl.dot(e.to(values.dtype), values, input_precision="ieee")
        top = highest
    tl.store(o + r[:, None] * (HEADS * 2 * W) + head * 2 * W + wide[None, :], average / total[:, None], mask=live[:, None])
    tl.store(lse + r * HEADS + head, tl.log(total) + top, mask=live)


@triton.jit
def query_grad_kernel(
    q, kv, starts, q_starts, positions, o, lse, do, delta, dq, scale,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, W: tl.constexpr, WINDOW: tl.constexpr, BQ: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """dq, and delta [queries, HEADS]: do times o, summed."""
    s, head = tl.program_id(0), tl.program_id(2)
    first = tl.load(q_starts + s) + tl.program_id(1) * BQ
    q_end = tl.load(q_starts + s + 1)
    if first >= q_end:
        return
    begin = tl.load(starts + s)
    length = tl.load(starts + s + 1) - begin
    r = first + tl.arange(0, BQ)
    live = r < q_end
    own = tl.load(positions + r, mask=live, other=-1)
    pair = head // 2 // (HEADS // KV_HEADS)
    j, wide = tl.arange(0, W), tl.arange(0, 2 * W)
    queries = tl.load(q + r[:, None] * (HEADS * W) + head * W + j[None, :], mask=live[:, None], other=0.0)
    at = r[:, None] * (HEADS * 2 * W) + head * 2 * W + wide[None, :]
    grad = tl.load(do + at, mask=live[:, None], other=0.0)
    drop = tl.sum(grad.to(tl.float32) * tl.load(o + at, mask=live[:, None], other=0.0).to(tl.float32), 1)
    tl.store(delta + r * HEADS + head, drop, mask=live)
    level = tl.load(lse + r * HEADS + head, mask=live, other=0.0)
    lowest = 0
    if WINDOW > 0:
        lowest = tl.maximum(tl.load(positions + first) - WINDOW + 1, 0) // BK * BK
    total = tl.zeros((BQ, W), tl.float32)
    for block in range(lowest, tl.max(own, 0) + 1, BK):
        key = block + tl.arange(0, BK)
        row = kv + (begin + key)[:, None] * (2 * KV_HEADS * W)
        there = (key < length)[:, None]
        keys = tl.load(row + (2 * pair + head % 2) * W + j[None, :], mask=there, other=0.0)
        values = tl.load(row + KV_HEADS * W + 2 * pair * W + wide[None, :], mask=there, other=0.0)
        score = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
        p = tl.where(visible(own, key, length, WINDOW), tl.exp(score - level[:, None]), 0.0)
        dscore = p * (tl.dot(grad, tl.trans(values), input_precision="ieee") - drop[:, None])
        total += tl.dot(dscore.to(keys.dtype), keys, input_precision="ieee")
    tl.store(dq + r[:, None] * (HEADS * W) + head * W + j[None, :], total * scale, mask=live[:, None])


@triton.jit
def key_grad_kernel(
    q, kv, starts, q_starts, positions, lse, do, delta, dkv, scale,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, W: tl.constexpr, WINDOW: tl.constexpr, BQ: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Gradients of BK keys and values of one pair of key heads of one sequence, from all queries that see them."""
    s, pair = tl.program_id(0), tl.program_id(2)
    begin = tl.load(starts + s)
    length = tl.load(starts + s + 1) - begin
    block = tl.program_id(1) * BK
    if block >= length:
        return
    q_begin = tl.load(q_starts + s)
    q_end = tl.load(q_starts + s + 1)
    key = block + tl.arange(0, BK)
    there = (key < length)[:, None]
    j, wide = tl.arange(0, W), tl.arange(0, 2 * W)
    row = (begin + key)[:, None] * (2 * KV_HEADS * W)
    values = tl.load(kv + row + KV_HEADS * W + 2 * pair * W + wide[None, :], mask=there, other=0.0)
    dvalues = tl.zeros((BK, 2 * W), tl.float32)
    for member in tl.static_range(2):
        keys = tl.load(kv + row + (2 * pair + member) * W + j[None, :], mask=there, other=0.0)
        dkeys = tl.zeros((BK, W), tl.float32)
        for first in range(q_begin, q_end, BQ):
            r = first + tl.arange(0, BQ)
            live = r < q_end
            own = tl.load(positions + r, mask=live, other=-1)
            if tl.max(own, 0) >= block:
                seen = visible(own, key, length, WINDOW)
                for member_pair in range(HEADS // KV_HEADS):
                    head = (pair * (HEADS // KV_HEADS) + member_pair) * 2 + member
                    queries = tl.load(q + r[:, None] * (HEADS * W) + head * W + j[None, :], mask=live[:, None], other=0.0)
                    at = r[:, None] * (HEADS * 2 * W) + head * 2 * W + wide[None, :]
                    grad = tl.load(do + at, mask=live[:, None], other=0.0)
                    level = tl.load(lse + r * HEADS + head, mask=live, other=0.0)
                    drop = tl.load(delta + r * HEADS + head, mask=live, other=0.0)
                    score = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
                    p = tl.where(seen, tl.exp(score - level[:, None]), 0.0)
                    dvalues += tl.dot(tl.trans(p.to(grad.dtype)), grad, input_precision="ieee")
                    dscore = p * (tl.dot(grad, tl.trans(values), input_precision="ieee") - drop[:, None])
                    dkeys += tl.dot(tl.trans(dscore.to(queries.dtype)), queries, input_precision="ieee")
        tl.store(dkv + row + (2 * pair + member) * W + j[None, :], dkeys * scale, mask=there)
    tl.store(dkv + row + KV_HEADS * W + 2 * pair * W + wide[None, :], dvalues, mask=there)


class Attend(Function):
    @staticmethod
    def forward(ctx, q, kv, layout, heads, kv_heads, window):
        q, kv, width = q.contiguous(), kv.contiguous(), q.shape[1] // heads
        o, lse = q.new_empty(q.shape[0], heads * 2 * width), q.new_empty(q.shape[0], heads, dtype=torch.float32)
        grid = (layout.sequences, triton.cdiv(layout.most_queries, QUERIES), heads)
        places = (layout.starts, layout.q_starts, layout.positions)
        attend_kernel[grid](q, kv, *places, o, lse, width**-0.5, heads, kv_heads, width, window, QUERIES, KEYS)
        ctx.save_for_backward(q, kv, o, lse)
        ctx.settings = (layout, heads, kv_heads, width, window)
        return o

    @staticmethod
    def backward(ctx, do):
        q, kv, o, lse = ctx.saved_tensors
        layout, heads, kv_heads, width, window = ctx.settings
        do, delta, dq, dkv = do.contiguous(), torch.empty_like(lse), torch.empty_like(q), torch.empty_like(kv)
        places = (layout.starts, layout.q_starts, layout.positions)
        sizes = (width**-0.5, heads, kv_heads, width, window, QUERIES, KEYS)
        grid = (layout.sequences, triton.cdiv(layout.most_queries, QUERIES), heads)
        query_grad_kernel[grid](q, kv, *places, o, lse, do, delta, dq, *sizes)
        grid = (layout.sequences, triton.cdiv(layout.most_rows, KEYS), kv_heads // 2)
        key_grad_kernel[grid](q, kv, *places, lse, do, delta, dkv, *sizes)
        return dq, dkv, None, None, None, None


def attend(q, kv, layout, heads: int, kv_heads: int, window: int):
    """Averages [queries, heads * 2 * width] of q [queries, heads * width] over kv [rows, 2 * kv_heads * width]: keys, then values."""
    return Attend.apply(q, kv, layout, heads, kv_heads, window)
