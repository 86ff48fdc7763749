"""SambaY in NumPy and float64, written from docs/model.md and the published description, not from this project's code.

Rounding is off unless it is asked for: with `rounded` an input of one of those matrices is first rounded to 8 bits per block of 32, as a
product with block-quantized weights does (docs/architecture.md), so that what remains of a difference is not that rounding.
"""
import json, struct
import numpy as np

TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I32": np.int32}


def read_safetensors(path):
    """Arrays by name; BF16 as float32."""
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    arrays = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + begin:8 + length + end], TYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        arrays[name] = values.reshape(entry["shape"])
    return arrays


def write_safetensors(path, arrays):
    """`arrays`: name to (dtype, array)."""
    header, offset = {}, 0
    for name, (dtype, array) in arrays.items():
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, array in arrays.values():
            f.write(np.ascontiguousarray(array).tobytes())


def silu(x):
    return x / (1 + np.exp(-x))


def round_to_8_bits(x):
    """Per block of 32: 127 levels on each side of the largest value, ties to even."""
    blocks = x.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    return (np.rint(blocks / np.where(scale > 0, scale, 1)) * scale).reshape(x.shape)


class SambaY:
    """`weights`: Hugging Face name to array. `rounded`: names of the matrices whose inputs are rounded."""

    def __init__(self, config, weights, rounded=(), dtype=np.float64):
        self.c, self.rounded = config, set(rounded)
        self.w = {name: np.asarray(array, dtype) for name, array in weights.items()}
        self.layers, self.hidden = config["num_hidden_layers"], config["hidden_size"]
        self.heads, self.kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        self.head_dim = self.hidden // self.heads
        self.inner, self.states, self.taps = self.hidden * config["mamba_expand"], config["mamba_d_state"], config["mamba_d_conv"]
        self.dt_rank = -(-self.hidden // 16)

    def product(self, x, name):
        if name in self.rounded:
            x = round_to_8_bits(x)
        return x @ self.w[name].T

    def norm(self, x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.c["layer_norm_eps"])
        return scaled * self.w[name + ".weight"] + self.w[name + ".bias"]

    def logits(self, ids):
        x = self.w["model.embed_tokens.weight"][ids]
        memory = shared = None
        half = self.layers // 2
        for i in range(self.layers):
            p = f"model.layers.{i}."
            n = self.norm(x, p + "input_layernorm")
            if i % 2 == 0 and i <= half:
                mixed, scanned = self.mamba(n, p + "attn.")
                memory = scanned if i == half else memory
            elif i % 2 == 0:
                gate = silu(self.product(n, p + "attn.in_proj.weight"))
                mixed = self.product(gate * memory, p + "attn.out_proj.weight")
            else:
                mixed, kv = self.attention(n, p + "attn.", i, shared if i > half + 1 else None, self.c["sliding_window"] if i < half else None)
                shared = kv if i == half + 1 else shared
            x = x + mixed
            gate, up = np.split(self.product(self.norm(x, p + "post_attention_layernorm"), p + "mlp.fc1.weight"), 2, axis=-1)
            x = x + self.product(silu(gate) * up, p + "mlp.fc2.weight")
        return self.product(self.norm(x, "model.final_layernorm"), "model.embed_tokens.weight")

    def mamba(self, n, p):
        """The mixer's output, and the scan's, which the GMUs read."""
        x, z = np.split(self.product(n, p + "in_proj.weight"), 2, axis=-1)
        padded = np.concatenate([np.zeros((self.taps - 1, self.inner), x.dtype), x])
        taps = self.w[p + "conv1d.weight"]
        u = silu(self.w[p + "conv1d.bias"] + sum(taps[:, 0, k] * padded[k:k + len(x)] for k in range(self.taps)))
        dt_low, b, c = np.split(self.product(u, p + "x_proj.weight"), [self.dt_rank, self.dt_rank + self.states], axis=-1)
        dt = np.logaddexp(0, self.product(dt_low, p + "dt_proj.weight") + self.w[p + "dt_proj.bias"])
        a = -np.exp(self.w[p + "A_log"])
        state, y = np.zeros((self.inner, self.states), x.dtype), np.empty_like(u)
        for t in range(len(u)):
            state = np.exp(dt[t][:, None] * a) * state + (dt[t] * u[t])[:, None] * b[t]
            y[t] = state @ c[t] + self.w[p + "D"] * u[t]
        return self.product(y * silu(z), p + "out_proj.weight"), y

    def attention(self, n, p, index, shared, window):
        """The mixer's output, and keys and values."""
        tokens = len(n)
        rows = self.product(n, p + "Wqkv.weight") + self.w[p + "Wqkv.bias"]
        q = rows[:, :self.hidden].reshape(tokens, self.heads, self.head_dim)
        if shared is None:
            k, v = np.split(rows[:, self.hidden:], 2, axis=-1)
            shared = [m.reshape(tokens, self.kv_heads, self.head_dim) for m in (k, v)]
        k, v = shared
        distance = np.arange(tokens)[:, None] - np.arange(tokens)[None, :]
        seen = (distance >= 0) & (distance < (window or tokens))
        inner = p + "inner_cross_attn."
        lambda_init = 0.8 - 0.6 * np.exp(-0.3 * index)
        dots = [np.exp(self.w[inner + f"lambda_q{c}"] @ self.w[inner + f"lambda_k{c}"]) for c in (1, 2)]
        factor = dots[0] - dots[1] + lambda_init
        out = np.empty((tokens, self.heads // 2, 2 * self.head_dim), n.dtype)
        for pair in range(self.heads // 2):
            kv_pair = pair * self.kv_heads // self.heads
            value = v[:, 2 * kv_pair:2 * kv_pair + 2].reshape(tokens, 2 * self.head_dim)
            maps = []
            for c in (0, 1):
                scores = q[:, 2 * pair + c] @ k[:, 2 * kv_pair + c].T / np.sqrt(self.head_dim)
                scores = np.where(seen, scores, -np.inf)
                weights = np.exp(scores - scores.max(axis=1, keepdims=True))
                maps.append(weights / weights.sum(axis=1, keepdims=True) @ value)
            o = maps[0] - factor * maps[1]
            out[:, pair] = o / np.sqrt((o**2).mean(axis=-1, keepdims=True) + 1e-5) * self.w[inner + "subln.weight"] * (1 - lambda_init)
        return self.product(out.reshape(tokens, self.hidden), p + "out_proj.weight") + self.w[p + "out_proj.bias"], shared
