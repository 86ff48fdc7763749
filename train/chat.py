"""How a conversation becomes tokens: the Phi chat layout, and which tokens the model learns to write.

    <|system|>TEXT<|tool|>[TOOLS]<|/tool|><|end|>
    <|user|>QUESTION<|end|>
    <|assistant|><think>WORK</think>ANSWER<|end|>

A message of role `tool` stands behind <|tool_response|>. Nothing separates messages, no line ends either.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from problem import Problem

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|assistant|>",
    "<|end|>",
    "<|user|>",
    "<|system|>",
    "<|tool|>",
    "<|/tool|>",
    "<|tool_call|>",
    "<|/tool_call|>",
    "<|tool_response|>",
    "<think>",
    "</think>",
)
# White space behind these is dropped, in training as by every reader of tokenizer.json (their flag `rstrip`).
STRIPS_RIGHT = frozenset(SPECIAL_TOKENS) - {"<|endoftext|>", "<think>", "</think>"}
# Control tokens, which a detokenizer hides; the others are part of the text.
CONTROL_TOKENS = frozenset({"<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>", "<|system|>"})
ROLE_TOKENS = {
    "system": "<|system|>",
    "user": "<|user|>",
    "assistant": "<|assistant|>",
    "tool": "<|tool_response|>",
}

_TOOL_CALL_MARK = re.compile(r"(<\|/?tool_call\|>)")


class Special(str):
    """A special token, as distinct from text that merely looks like one."""


def _written(thinking: str | None, content: str, is_target: bool) -> list[tuple[str, bool]]:
    """What the assistant writes, up to and including <|end|>."""
    parts: list[tuple[str, bool]] = []
    if thinking is not None:
        parts += [(Special("<think>"), is_target), (thinking, is_target), (Special("</think>"), is_target)]
    for piece in _TOOL_CALL_MARK.split(content) if "<|" in content else (content,):
        parts.append((Special(piece) if _TOOL_CALL_MARK.fullmatch(piece) else piece, is_target))
    parts.append((Special("<|end|>"), is_target))
    return parts


def render(problem: Problem) -> list[tuple[str, bool]]:
    """The conversation as parts: (Special token or text, whether the model is trained to write it).

    The assistant's earlier messages are trained on where they show their thinking, else they are context.
    """
    parts: list[tuple[str, bool]] = []
    for message in problem.messages:
        role = message["role"]
        parts.append((Special(ROLE_TOKENS[role]), False))
        if role == "assistant":
            thinking = message.get("thinking")
            parts += _written(thinking, message["content"], thinking is not None)
            continue
        parts.append((message["content"], False))
        if message.get("tools"):
            parts += [(Special("<|tool|>"), False), (message["tools"], False), (Special("<|/tool|>"), False)]
        parts.append((Special("<|end|>"), False))
    parts.append((Special("<|assistant|>"), False))
    return parts + _written(problem.thinking, problem.answer, True)


class ChatTokenizer:
    """Encodes conversations with a tokenizer.json; text never becomes a special token."""

    def __init__(self, folder: str | Path):
        """Reads DIR/tokenizer.json. Raises ValueError when it is no tokenizer or lacks a token of the chat layout."""
        from tokenizers import Tokenizer  # here, so that render() works without the package

        text = (Path(folder) / "tokenizer.json").read_text(encoding="utf-8")
        try:
            self.tokenizer = Tokenizer.from_str(text)
            # The same without added tokens, for text in which look-alikes must stay text.
            self._plain = Tokenizer.from_str(json.dumps({**json.loads(text), "added_tokens": []}))
        except Exception as error:  # the package raises nothing narrower
            raise ValueError(f"{folder}/tokenizer.json is not a tokenizer: {error}") from error
        self.digest = hashlib.sha256(text.encode()).hexdigest()  # what a checkpoint's token ids are held to
        self._encode_batch = getattr(self._plain, "encode_batch_fast", self._plain.encode_batch)
        self.vocab_size = self.tokenizer.get_vocab_size()
        self.special_ids = {token: self.tokenizer.token_to_id(token) for token in SPECIAL_TOKENS}
        missing = [token for token, token_id in self.special_ids.items() if token_id is None]
        if missing:
            raise ValueError(f"{folder}/tokenizer.json lacks {', '.join(missing)}")

    def encode_all(self, problems: list[Problem]) -> list[tuple[list[int], list[bool]]]:
        """Each conversation's token ids, and for each id whether the model is trained to write it."""
        conversations = [render(problem) for problem in problems]
        texts = []
        for parts in conversations:
            before = None
            for part, _ in parts:
                if not isinstance(part, Special):
                    texts.append(part.lstrip() if before in STRIPS_RIGHT else part)
                before = part if isinstance(part, Special) else None
        encodings = iter(self._encode_batch(texts, add_special_tokens=False))
        result = []
        for parts in conversations:
            ids: list[int] = []
            mask: list[bool] = []
            for part, is_target in parts:
                if isinstance(part, Special):
                    ids.append(self.special_ids[part])
                    mask.append(is_target)
                else:
                    piece = next(encodings).ids
                    ids += piece
                    mask += [is_target] * len(piece)
            result.append((ids, mask))
        return result
