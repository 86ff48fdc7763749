"""safetensors files of bf16 weights: the few lines of the format that are needed here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch

from sambay import Shape, tensor_shapes


def save_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Writes all weights as bf16; the file appears whole or not at all."""
    header, offset, data = {}, 0, []
    for name, value in weights.items():
        raw = value.detach().cpu().bfloat16().contiguous().view(torch.int16).numpy().tobytes()
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data.append(raw)
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(data))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load_weights(path: Path, shape: Shape) -> dict[str, torch.Tensor]:
    """The weights as float32. Raises ValueError when they are not those of this shape."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    try:
        header = json.loads(raw[8 : 8 + size])
    except ValueError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    header.pop("__metadata__", None)
    expected = tensor_shapes(shape)
    if set(header) != set(expected):
        odd = sorted(set(header) ^ set(expected))
        raise ValueError(f"{path} does not fit the recipe's shape: it has or lacks {odd[0]}")
    weights = {}
    for name, wanted in expected.items():
        entry = header[name]
        if entry["dtype"] != "BF16" or tuple(entry["shape"]) != wanted:
            raise ValueError(f"{path}: {name} is {entry['dtype']} {entry['shape']}, and BF16 {list(wanted)} is needed")
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(bytearray(raw[begin:end]), dtype=torch.bfloat16)
        weights[name] = flat.float().reshape(wanted)
    return weights
