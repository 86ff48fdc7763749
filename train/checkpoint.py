"""safetensors files of bf16 weights: the few lines of the format that are needed here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch

from sambay import Shape, tensor_shapes

TOKENIZER_KEY = "tokenizer_sha256"  # of tokenizer.json, in the file's __metadata__: what the weights' token ids mean


def not_finite(weights: dict[str, torch.Tensor]) -> str | None:
    """The first tensor that holds NaN or infinity."""
    return next((name for name, value in weights.items() if not bool(torch.isfinite(value).all())), None)


def save_weights(path: Path, weights: dict[str, torch.Tensor], tokenizer: str | None = None) -> None:
    """Writes all weights as bf16, and the digest of their tokenizer; the file appears whole or not at all. Raises ValueError for NaN."""
    if bad := not_finite(weights):
        raise ValueError(f"{path} is not written: {bad} holds NaN or infinity")
    header, offset, data = {}, 0, []
    for name, value in weights.items():
        raw = value.detach().cpu().bfloat16().contiguous().view(torch.int16).numpy().tobytes()
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data.append(raw)
    metadata = {"format": "pt", **({TOKENIZER_KEY: tokenizer} if tokenizer else {})}
    text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(data))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _header_and_data(path: Path) -> tuple[dict, memoryview]:
    raw = memoryview(path.read_bytes())
    size = int.from_bytes(raw[:8], "little")
    try:
        header = json.loads(bytes(raw[8 : 8 + size]))
    except ValueError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if not isinstance(header, dict) or not all(isinstance(entry, dict) for entry in header.values()):
        raise ValueError(f"{path} is not a safetensors file: its header is no object of objects")
    return header, raw[8 + size :]


def tokenizer_of(path: Path) -> str | None:
    """The digest of the tokenizer with which these weights were trained; None where the file does not say."""
    return _header_and_data(path)[0].get("__metadata__", {}).get(TOKENIZER_KEY)


def load_weights(path: Path, shape: Shape, tokenizer: str | None = None) -> dict[str, torch.Tensor]:
    """The weights as float32. Raises ValueError when they are not those of this shape, or of another tokenizer than the one with this digest."""
    header, data = _header_and_data(path)
    trained_with = header.pop("__metadata__", {}).get(TOKENIZER_KEY)
    if tokenizer and trained_with and tokenizer != trained_with:
        raise ValueError(f"{path} was trained with another tokenizer: SHA-256 {trained_with[:12]}..., this tokenizer.json has {tokenizer[:12]}...")
    expected = tensor_shapes(shape)
    if set(header) != set(expected):
        odd = sorted(set(header) ^ set(expected))
        raise ValueError(f"{path} does not fit the recipe's shape: it has or lacks {odd[0]}")
    weights = {}
    for name, wanted in expected.items():
        entry = header[name]
        kind, size, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
        if kind != "BF16" or size != list(wanted):
            raise ValueError(f"{path}: {name} is {kind} {size}, and BF16 {list(wanted)} is needed")
        bytes_needed = 2 * torch.Size(wanted).numel()
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(isinstance(offset, int) and 0 <= offset <= len(data) for offset in offsets):
            raise ValueError(f"{path}: {name} lies at {offsets} of {len(data)} bytes of data; the file was cut off or is damaged")
        if offsets[1] - offsets[0] != bytes_needed:
            raise ValueError(f"{path}: {name} lies at {offsets}, and {bytes_needed} bytes are needed")
        flat = torch.frombuffer(bytearray(data[offsets[0] : offsets[1]]), dtype=torch.bfloat16)
        weights[name] = flat.float().reshape(wanted)
    if bad := not_finite(weights):
        raise ValueError(f"{path}: {bad} holds NaN or infinity")
    return weights
