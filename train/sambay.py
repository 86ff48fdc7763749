"""SambaY in PyTorch: its shape, its weights under their published names, and its forward pass on packed batches."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F

from ops import Layout


@dataclass(frozen=True)
class Shape:
    """What config.json says; the names are Hugging Face's."""

    vocab_size: int = 2048
    hidden_size: int = 192
    intermediate_size: int = 512
    num_hidden_layers: int = 12
    num_attention_heads: int = 6
    num_key_value_heads: int = 2
    sliding_window: int = 128
    mamba_d_state: int = 16
    mamba_d_conv: int = 4
    mamba_expand: int = 2

    def __post_init__(self):
        """Raises ValueError for a shape that the model or its kernels cannot take."""
        for name, value in asdict(self).items():
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} is a positive whole number, not {value!r}")
        if self.num_hidden_layers % 4:
            raise ValueError(f"num_hidden_layers is a multiple of 4, not {self.num_hidden_layers}")
        if self.num_key_value_heads % 2 or self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_key_value_heads is even and divides num_attention_heads, not {self.num_key_value_heads} of {self.num_attention_heads}"
            )
        if self.hidden_size % self.num_attention_heads or self.head_width % 16:
            raise ValueError(f"heads are a multiple of 16 wide, not {self.hidden_size} / {self.num_attention_heads}")
        if (self.mamba_d_state, self.mamba_d_conv) != (16, 4) or self.inner % 16:
            raise ValueError("the kernels know state 16, convolution 4 and inner widths that are multiples of 16")

    @property
    def head_width(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def inner(self) -> int:
        return self.mamba_expand * self.hidden_size

    @property
    def dt_rank(self) -> int:
        return math.ceil(self.hidden_size / 16)

    @property
    def memory_layer(self) -> int:
        """The Mamba layer whose scan output the GMUs gate; the one after it makes the shared keys and values."""
        return self.num_hidden_layers // 2

    def mixer(self, layer: int) -> str:
        if layer % 2 == 0:
            return "mamba" if layer <= self.memory_layer else "gmu"
        if layer < self.memory_layer:
            return "window"
        return "full" if layer == self.memory_layer + 1 else "cross"


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Every tensor's name and shape, in the order of the checkpoint."""
    d, inner, width = shape.hidden_size, shape.inner, shape.head_width
    kv = shape.num_key_value_heads * width
    tensors = {"model.embed_tokens.weight": (shape.vocab_size, d)}
    for i in range(shape.num_hidden_layers):
        layer, kind = f"model.layers.{i}.", shape.mixer(i)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{layer}{norm}.weight"] = tensors[f"{layer}{norm}.bias"] = (d,)
        tensors[f"{layer}mlp.fc1.weight"] = (2 * shape.intermediate_size, d)
        tensors[f"{layer}mlp.fc2.weight"] = (d, shape.intermediate_size)
        layer += "attn."
        if kind == "mamba":
            tensors[f"{layer}in_proj.weight"] = (2 * inner, d)
            tensors[f"{layer}conv1d.weight"] = (inner, 1, shape.mamba_d_conv)
            tensors[f"{layer}conv1d.bias"] = (inner,)
            tensors[f"{layer}x_proj.weight"] = (shape.dt_rank + 2 * shape.mamba_d_state, inner)
            tensors[f"{layer}dt_proj.weight"] = (inner, shape.dt_rank)
            tensors[f"{layer}dt_proj.bias"] = (inner,)
            tensors[f"{layer}A_log"] = (inner, shape.mamba_d_state)
            tensors[f"{layer}D"] = (inner,)
            tensors[f"{layer}out_proj.weight"] = (d, inner)
        elif kind == "gmu":
            tensors[f"{layer}in_proj.weight"] = (inner, d)
            tensors[f"{layer}out_proj.weight"] = (d, inner)
        else:
            rows = d if kind == "cross" else d + 2 * kv
            tensors[f"{layer}Wqkv.weight"], tensors[f"{layer}Wqkv.bias"] = (rows, d), (rows,)
            tensors[f"{layer}out_proj.weight"], tensors[f"{layer}out_proj.bias"] = (d, d), (d,)
            for name in ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"):
                tensors[f"{layer}inner_cross_attn.{name}"] = (width,)
            tensors[f"{layer}inner_cross_attn.subln.weight"] = (2 * width,)
    tensors["model.final_layernorm.weight"] = tensors["model.final_layernorm.bias"] = (d,)
    return tensors


def initial_weights(shape: Shape, seed: int) -> dict[str, torch.Tensor]:
    """float32 weights to start from: Mamba's own initialization for the scan, normal ones for the matrices."""
    random = torch.Generator().manual_seed(seed)
    weights = {}
    for name, size in tensor_shapes(shape).items():
        if name.endswith("A_log"):
            value = torch.log(torch.arange(1, size[1] + 1, dtype=torch.float32)).repeat(size[0], 1)
        elif name.endswith("dt_proj.bias"):  # softplus(bias) is spread over 0.001 to 0.1
            step = torch.exp(torch.rand(size, generator=random) * math.log(100) + math.log(0.001))
            value = step + torch.log(-torch.expm1(-step))
        elif name.endswith(("norm.weight", "subln.weight", ".D")):
            value = torch.ones(size)
        elif name.endswith("bias"):
            value = torch.zeros(size)
        elif "lambda" in name:
            value = torch.randn(size, generator=random) * 0.1
        elif name.endswith("conv1d.weight"):
            value = (torch.rand(size, generator=random) * 2 - 1) / math.sqrt(size[2])
        elif name.endswith("embed_tokens.weight"):
            # Five times the published range: a token has to stay recognizable beside what the layers add.
            value = torch.randn(size, generator=random) * 0.1
        else:
            value = torch.randn(size, generator=random) / math.sqrt(size[1])
            if name.endswith(("out_proj.weight", "fc2.weight")):
                value /= math.sqrt(2 * shape.num_hidden_layers)
        weights[name] = value
    return weights


def is_matrix(name: str) -> bool:
    """Whether a tensor is held in bf16 while computing (the rest stays float32)."""
    return name.endswith(("_proj.weight", "fc1.weight", "fc2.weight", "Wqkv.weight", "Wqkv.bias", "out_proj.bias", "embed_tokens.weight"))


@dataclass
class Batch:
    """Packed sequences. ids: int64 [rows]; asking: int64 [targets], rows whose next token is to be learned; targets: int32 [targets]."""

    ids: torch.Tensor
    every_row: Layout
    asking: torch.Tensor
    asking_rows: Layout
    targets: torch.Tensor

    def to(self, device) -> "Batch":
        move = lambda x: x.to(device, non_blocking=True)
        return Batch(move(self.ids), self.every_row.to(device), move(self.asking), self.asking_rows.to(device), move(self.targets))


def forward(w: dict[str, torch.Tensor], batch: Batch, shape: Shape, ops) -> torch.Tensor:
    """Logits [targets, vocab] of the rows that ask. Layers after the shared keys and values see those rows only, as in inference."""
    x = F.embedding(batch.ids, w["model.embed_tokens.weight"]).to(ops.residual)
    m, memory, shared_kv = None, None, None
    layout = batch.every_row
    for i in range(shape.num_hidden_layers):
        layer, kind = f"model.layers.{i}.", shape.mixer(i)
        x, n = ops.add_norm(x, m, w[f"{layer}input_layernorm.weight"], w[f"{layer}input_layernorm.bias"])
        if kind == "mamba":
            m, memory = mamba(w, f"{layer}attn.", n, layout, shape, ops)
        elif kind == "gmu":
            m = ops.linear(ops.gate(ops.linear(n, w[f"{layer}attn.in_proj.weight"]), memory), w[f"{layer}attn.out_proj.weight"])
        else:
            if kind == "full":
                shared_kv = key_values(w, f"{layer}attn.", n, shape, ops)
                x, n, memory = (rows.index_select(0, batch.asking) for rows in (x, n, memory))
                layout = batch.asking_rows
            kv = key_values(w, f"{layer}attn.", n, shape, ops) if kind == "window" else shared_kv
            m = attention(w, f"{layer}attn.", n, kv, i, layout, shape, ops)
        x, n = ops.add_norm(x, m, w[f"{layer}post_attention_layernorm.weight"], w[f"{layer}post_attention_layernorm.bias"])
        m = ops.linear(ops.glu(ops.linear(n, w[f"{layer}mlp.fc1.weight"])), w[f"{layer}mlp.fc2.weight"])
    _, n = ops.add_norm(x, m, w["model.final_layernorm.weight"], w["model.final_layernorm.bias"])
    return ops.linear(n, w["model.embed_tokens.weight"])


def mamba(w, layer: str, n, layout: Layout, shape: Shape, ops):
    """The mixer's output and the scan's, which is the memory if this is the memory layer."""
    x_weight, z_weight = w[f"{layer}in_proj.weight"].split(shape.inner)
    dt_weight, bc_weight = w[f"{layer}x_proj.weight"].split((shape.dt_rank, 2 * shape.mamba_d_state))
    u = ops.conv_silu(
        ops.linear(n, x_weight), w[f"{layer}conv1d.weight"][:, 0].t().contiguous(), w[f"{layer}conv1d.bias"], layout
    )
    dt = ops.linear(ops.linear(u, dt_weight), w[f"{layer}dt_proj.weight"])
    rate = -torch.exp(w[f"{layer}A_log"]).t().contiguous()
    y = ops.scan(u, dt, w[f"{layer}dt_proj.bias"], rate, ops.linear(u, bc_weight), w[f"{layer}D"], layout)
    return ops.linear(ops.gate(ops.linear(n, z_weight), y), w[f"{layer}out_proj.weight"]), y


def key_values(w, layer: str, n, shape: Shape, ops):
    d = shape.hidden_size
    return ops.linear(n, w[f"{layer}Wqkv.weight"][d:], w[f"{layer}Wqkv.bias"][d:])


def attention(w, layer: str, n, kv, index: int, layout: Layout, shape: Shape, ops):
    d, inner = shape.hidden_size, f"{layer}inner_cross_attn."
    q = ops.linear(n, w[f"{layer}Wqkv.weight"][:d], w[f"{layer}Wqkv.bias"][:d])
    window = shape.sliding_window if shape.mixer(index) == "window" else 0
    averages = ops.attend(q, kv, layout, shape.num_attention_heads, shape.num_key_value_heads, window)
    lambda_init = 0.8 - 0.6 * math.exp(-0.3 * index)
    lam = (
        torch.exp((w[f"{inner}lambda_q1"] * w[f"{inner}lambda_k1"]).sum())
        - torch.exp((w[f"{inner}lambda_q2"] * w[f"{inner}lambda_k2"]).sum())
        + lambda_init
    )
    o = ops.combine(averages, lam, w[f"{inner}subln.weight"], 1 - lambda_init)
    return ops.linear(o, w[f"{layer}out_proj.weight"], w[f"{layer}out_proj.bias"])


def config_json(shape: Shape, end_of_text: int) -> str:
    """config.json in the layout of Phi-4-mini-flash-reasoning."""
    fields = {
        "architectures": ["Phi4FlashForCausalLM"],
        "model_type": "phi4flash",
        "attention_dropout": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-05,
        "lm_head_bias": False,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
        "mamba_dt_rank": shape.dt_rank,
        "max_position_embeddings": 4096,
        "mb_per_layer": 2,
        "mlp_bias": False,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
    }
    return json.dumps({**fields, **asdict(shape)}, indent=1, sort_keys=True) + "\n"
