"""The parts of the model that are more than a matrix product, each with its gradient.

`NativeOps` calls kernels/ (CPU, packed rows, bf16 in memory, float32 inside), gpu.py has the same for a GPU; `PlainOps` says it in PyTorch's
own words: it is the tests' reference. All take packed batches: rows are tokens, `Layout` says which row belongs to which sequence.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.autograd import Function

SOURCES = sorted(Path(__file__).with_name("kernels").iterdir())
FLAGS = ["-std=c++17", "-O3", "-march=native", "-mprefer-vector-width=512", "-fno-math-errno", "-ffp-contract=fast", "-fPIC", "-shared"]


@dataclass
class Layout:
    """Where the sequences of a packed batch lie.

    starts, q_starts: int32 [sequences + 1], first row and first query row of each sequence; positions: int32 [query rows], each query's
    place in its sequence. For layers in which every row asks, q_starts = starts.
    """

    starts: torch.Tensor
    q_starts: torch.Tensor
    positions: torch.Tensor
    most_rows: int = 0  # of a sequence; most_queries likewise. Counted here, since on a GPU asking would mean waiting
    most_queries: int = 0

    def __post_init__(self):
        if not self.most_rows:
            self.most_rows = int((self.starts[1:] - self.starts[:-1]).max())
            self.most_queries = int((self.q_starts[1:] - self.q_starts[:-1]).max())

    def to(self, device) -> "Layout":
        move = lambda x: x.to(device, non_blocking=True)
        return Layout(move(self.starts), move(self.q_starts), move(self.positions), self.most_rows, self.most_queries)

    @property
    def sequences(self) -> int:
        return len(self.starts) - 1

    @property
    def chunks(self) -> int:
        """Chunks of 16 rows, each sequence rounded up: how many states the scan saves."""
        return int(((self.starts[1:] - self.starts[:-1] + 15) // 16).sum())


def _cpu() -> str:
    """What this CPU can do: kernels compiled for one die on another that knows fewer instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


def build_kernels(folder: Path) -> ctypes.CDLL:
    """Compiles kernels/ into `folder` unless this version is there already. Raises RuntimeError with the compiler's words."""
    text = b"".join(source.read_bytes() for source in SOURCES) + " ".join(FLAGS).encode() + _cpu().encode()
    library = folder / f"kernels-{hashlib.sha1(text).hexdigest()[:12]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{library.name}.{os.getpid()}"
        command = [os.environ.get("CXX", "g++"), *FLAGS, *(str(source) for source in SOURCES if source.suffix == ".cpp"), "-o", str(unfinished)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"cannot compile train/kernels: {done.stderr.strip()}")
        unfinished.rename(library)
    return ctypes.CDLL(str(library))


def _call(function, *arguments):
    """Tensors travel as their address, floats as float, the rest as int."""
    values = []
    for argument in arguments:
        if argument is None:
            values.append(ctypes.c_void_p(0))
        elif isinstance(argument, torch.Tensor):
            values.append(ctypes.c_void_p(argument.data_ptr()))
        elif isinstance(argument, float):
            values.append(ctypes.c_float(argument))
        else:
            values.append(ctypes.c_int(argument))
    return function(*values)


@functools.lru_cache
def has_bf16_products() -> bool:
    """Whether PyTorch multiplies bf16 matrices on this CPU at speed; without AVX-512 it is a hundred times slower than float32."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # an old or a lean PyTorch
        return "avx512bw" in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else False


class NativeOps:
    """The functions of kernels/. Thread-safe: the functions keep no state."""

    half = torch.bfloat16  # what travels between matrix products
    residual = torch.float32

    def __init__(self, folder: Path):
        self.kernels = build_kernels(folder)
        self.bf16_products = has_bf16_products()
        self.kernels.cross_entropy.restype = ctypes.c_float
        library = self.kernels

        class AddNorm(Function):
            @staticmethod
            def forward(ctx, x, m, w, b):
                rows, d = x.shape
                x_out = torch.empty_like(x)
                y = torch.empty(rows, d, dtype=torch.bfloat16)
                stats = torch.empty(rows, 2)
                m = m.contiguous() if m is not None else None
                _call(library.add_norm, rows, d, x, m, w, b, x_out, y, stats)
                ctx.save_for_backward(x_out, w, stats)
                ctx.has_m = m is not None
                return x_out, y

            @staticmethod
            def backward(ctx, dx_out, dy):
                x_out, w, stats = ctx.saved_tensors
                rows, d = x_out.shape
                dx = torch.empty_like(x_out)
                dm = torch.empty(rows, d, dtype=torch.bfloat16) if ctx.has_m else None
                dw, db = torch.zeros(d), torch.zeros(d)
                _call(library.add_norm_grad, rows, d, x_out, w, stats, dx_out.contiguous(), dy.contiguous(), dx, dm, dw, db)
                return dx, dm, dw, db

        class Glu(Function):
            @staticmethod
            def forward(ctx, h):
                rows, d = h.shape[0], h.shape[1] // 2
                out = torch.empty(rows, d, dtype=torch.bfloat16)
                _call(library.gate, rows, d, h, 2 * d, h[:, d:], 2 * d, out)
                ctx.save_for_backward(h)
                return out

            @staticmethod
            def backward(ctx, dout):
                (h,) = ctx.saved_tensors
                rows, d = h.shape[0], h.shape[1] // 2
                dh = torch.empty_like(h)
                _call(library.gate_grad, rows, d, h, 2 * d, h[:, d:], 2 * d, dout.contiguous(), dh, 2 * d, dh[:, d:], 2 * d)
                return dh

        class Gate(Function):
            @staticmethod
            def forward(ctx, a, b):
                rows, d = a.shape
                out = torch.empty_like(a)
                _call(library.gate, rows, d, a, d, b, d, out)
                ctx.save_for_backward(a, b)
                return out

            @staticmethod
            def backward(ctx, dout):
                a, b = ctx.saved_tensors
                rows, d = a.shape
                da, db = torch.empty_like(a), torch.empty_like(b)
                _call(library.gate_grad, rows, d, a, d, b, d, dout.contiguous(), da, d, db, d)
                return da, db

        class ConvSilu(Function):
            @staticmethod
            def forward(ctx, x, w, b, layout):
                out = torch.empty_like(x)
                d = x.shape[1]
                _call(library.conv_silu, layout.sequences, layout.starts, d, x, d, w, b, out)
                ctx.save_for_backward(x, w, b)
                ctx.layout = layout
                return out

            @staticmethod
            def backward(ctx, du):
                x, w, b = ctx.saved_tensors
                d = x.shape[1]
                dx, dw, db = torch.empty_like(x), torch.zeros_like(w), torch.zeros_like(b)
                layout = ctx.layout
                _call(library.conv_silu_grad, layout.sequences, layout.starts, d, x, d, w, b, du.contiguous(), dx, d, dw, db)
                return dx, dw, db, None

        class SelectiveScan(Function):
            @staticmethod
            def forward(ctx, u, dt_raw, dt_bias, a, bc, skip, layout):
                rows, d = u.shape
                y, dt = torch.empty_like(u), torch.empty(rows, d)
                saved = torch.empty(layout.chunks, 16, d)
                _call(library.scan, layout.sequences, layout.starts, d, u, dt_raw, dt_bias, a, bc, 32, skip, y, dt, saved)
                ctx.save_for_backward(u, a, bc, skip, dt, saved)
                ctx.layout = layout
                return y

            @staticmethod
            def backward(ctx, dy):
                u, a, bc, skip, dt, saved = ctx.saved_tensors
                rows, d = u.shape
                du, ddt_raw, dbc = torch.empty_like(u), torch.empty_like(u), torch.empty_like(bc)
                ddt_bias, da, dskip = torch.zeros(d), torch.zeros(16, d), torch.zeros(d)
                layout = ctx.layout
                _call(library.scan_grad, layout.sequences, layout.starts, d, u, dt, a, bc, 32, skip, saved, dy.contiguous(), du, ddt_raw, dbc,
                      32, ddt_bias, da, dskip)  # fmt: skip
                return du, ddt_raw, ddt_bias, da, dbc, dskip, None

        class Attend(Function):
            @staticmethod
            def forward(ctx, q, kv, layout, heads, kv_heads, window):
                width = q.shape[1] // heads
                d_kv = kv_heads * width
                o = torch.empty(q.shape[0], heads * 2 * width, dtype=torch.bfloat16)
                lse = torch.empty(q.shape[0], heads)
                _call(library.attend, layout.sequences, layout.starts, layout.q_starts, layout.positions, heads, kv_heads, width, window,
                      q, heads * width, kv, 2 * d_kv, kv[:, d_kv:], 2 * d_kv, o, lse)  # fmt: skip
                ctx.save_for_backward(q, kv, o, lse)
                ctx.settings = (layout, heads, kv_heads, width, window)
                return o

            @staticmethod
            def backward(ctx, do):
                q, kv, o, lse = ctx.saved_tensors
                layout, heads, kv_heads, width, window = ctx.settings
                d_kv = kv_heads * width
                dq, dkv = torch.empty_like(q), torch.empty_like(kv)
                _call(library.attend_grad, layout.sequences, layout.starts, layout.q_starts, layout.positions, heads, kv_heads, width, window,
                      q, heads * width, kv, 2 * d_kv, kv[:, d_kv:], 2 * d_kv, o, lse, do.contiguous(),
                      dq, heads * width, dkv, 2 * d_kv, dkv[:, d_kv:], 2 * d_kv)  # fmt: skip
                return dq, dkv, None, None, None, None

        class Combine(Function):
            @staticmethod
            def forward(ctx, a, lam, w, factor):
                rows, wide = a.shape[0], w.shape[0]
                pairs = a.shape[1] // (2 * wide)
                o = torch.empty(rows, pairs * wide, dtype=torch.bfloat16)
                _call(library.combine, rows, pairs, wide, a, float(lam), w, factor, o)
                ctx.save_for_backward(a, lam, w)
                ctx.settings = (rows, pairs, wide, factor)
                return o

            @staticmethod
            def backward(ctx, do):
                a, lam, w = ctx.saved_tensors
                rows, pairs, wide, factor = ctx.settings
                da, dw, dlam = torch.empty_like(a), torch.zeros(wide), torch.zeros(())
                _call(library.combine_grad, rows, pairs, wide, a, float(lam), w, factor, do.contiguous(), da, dw, dlam)
                return da, dlam, dw, None

        class CrossEntropy(Function):
            @staticmethod
            def forward(ctx, logits, targets, scale):
                right = torch.empty(logits.shape[0], dtype=torch.uint8)
                grad = logits.detach().clone()
                total = _call(library.cross_entropy, logits.shape[0], logits.shape[1], grad, targets, float(scale), right)
                ctx.save_for_backward(grad)
                ctx.mark_non_differentiable(right)
                return torch.tensor(total * scale), right

            @staticmethod
            def backward(ctx, dloss, _):
                (grad,) = ctx.saved_tensors
                return grad, None, None

        self.add_norm = AddNorm.apply
        self.glu = Glu.apply
        self.gate = Gate.apply
        self.conv_silu = ConvSilu.apply
        self.scan = SelectiveScan.apply
        self.attend = Attend.apply
        self.combine = Combine.apply
        self.cross_entropy = CrossEntropy.apply

    def linear(self, x, w, b=None):
        if self.bf16_products:
            return F.linear(x, w, b)
        return F.linear(x.float(), w.float(), None if b is None else b.float()).bfloat16()


class PlainOps:
    """The same in PyTorch's own operations, differentiated by PyTorch. `half` float32 or float64 makes it the tests' reference."""

    def __init__(self, half: torch.dtype = torch.bfloat16):
        self.half = half
        self.residual = torch.float64 if half == torch.float64 else torch.float32
        self.linear = F.linear

    def add_norm(self, x, m, w, b):
        x = x if m is None else x + m
        mean = x.mean(-1, keepdim=True)
        scale = torch.rsqrt(((x - mean) ** 2).mean(-1, keepdim=True) + 1e-5)
        return x, ((x - mean) * scale * w + b).to(self.half)

    def glu(self, h):
        gate, up = h.chunk(2, -1)
        return self.gate(gate, up)

    def gate(self, a, b):
        return (F.silu(a) * b).to(self.half)

    def conv_silu(self, x, w, b, layout):
        outputs = []
        for rows in self._sequences(x, layout.starts):
            padded = torch.cat([rows.new_zeros(3, rows.shape[1]), rows])
            outputs.append(sum(w[k] * padded[k : k + len(rows)] for k in range(4)) + b)
        return F.silu(torch.cat(outputs)).to(self.half)

    def scan(self, u, dt_raw, dt_bias, a, bc, skip, layout):
        """The recurrence as the paper writes it, one step after the other: a state [16, d] per sequence."""
        dt = F.softplus(dt_raw + dt_bias)
        b, c = bc.to(dt.dtype).chunk(2, -1)
        y = []
        for s in range(layout.sequences):
            h = torch.zeros_like(a)
            for t in range(int(layout.starts[s]), int(layout.starts[s + 1])):
                h = torch.exp(dt[t] * a) * h + (dt[t] * u[t]) * b[t][:, None]
                y.append((h * c[t][:, None]).sum(0) + skip * u[t])
        return torch.stack(y).to(self.half)

    def attend(self, q, kv, layout, heads, kv_heads, window):
        width = q.shape[1] // heads
        k, v = kv.chunk(2, -1)
        outputs = []
        for s, (keys, values) in enumerate(zip(self._sequences(k, layout.starts), self._sequences(v, layout.starts))):
            rows = slice(int(layout.q_starts[s]), int(layout.q_starts[s + 1]))
            own = layout.positions[rows].to(q.device)[:, None]
            distance = own - torch.arange(len(keys), device=q.device)[None, :]
            visible = (distance >= 0) & ((distance < window) if window else True)
            result = []
            for h in range(heads):
                pair = h // 2 // (heads // kv_heads)
                head = slice((2 * pair + h % 2) * width, (2 * pair + h % 2 + 1) * width)
                scores = q[rows, h * width : (h + 1) * width] @ keys[:, head].t() / width**0.5
                p = torch.softmax(scores.masked_fill(~visible, float("-inf")), -1)
                result.append(p @ values[:, 2 * pair * width : 2 * (pair + 1) * width])
            outputs.append(torch.cat(result, -1))
        return torch.cat(outputs).to(self.half)

    def combine(self, a, lam, w, factor):
        first, second = a.reshape(a.shape[0], -1, 2, w.shape[0]).unbind(2)
        x = first - lam * second
        x = x * torch.rsqrt((x**2).mean(-1, keepdim=True) + 1e-5) * w * factor
        return x.reshape(a.shape[0], -1).to(self.half)

    def cross_entropy(self, logits, targets, scale):
        loss = F.cross_entropy(logits.to(self.residual), targets.long(), reduction="sum") * scale
        return loss, logits.argmax(-1) == targets

    @staticmethod
    def _sequences(rows, starts):
        return rows.split((starts[1:] - starts[:-1]).tolist())
