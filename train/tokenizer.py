#!/usr/bin/env python3
"""Trains the byte-level BPE on what the families say: tokenizer.py --vocab 2048 --problems 40000 --out DIR

Writes tokenizer.json and tokenizer_config.json in the Hugging Face layout. Digits are one token each: columns of
digits can't be learned otherwise at this size.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

from chat import CONTROL_TOKENS, SPECIAL_TOKENS, STRIPS_RIGHT, Special, render
from families import MODULES, families_of
from manner import in_a_persons_manner
from problem import Source, belongs_to

BYTES = 256
MAX_VOCAB = 65536
WORDS_FILE = Path(__file__).parent / "phrases" / "common_words.txt"
# o200k's pattern with \p{N} in place of \p{N}{1,3}: digits stand alone, even behind a space.
PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|"
    r"'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|"
    r"'ve|'m|'ll|'d)?"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + '<|"
    "/tool|>' + '<|end|>' }}"
    "{% elif message['role'] == 'tool' %}{{ '<|tool_response|>' + message['content'] + '<|end|>' }}"
    "{% else %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)


def added_token(token: str, token_id: int) -> dict:
    return {
        "id": token_id,
        "content": token,
        "single_word": False,
        "lstrip": False,
        "rstrip": token in STRIPS_RIGHT,
        "normalized": False,
        "special": token in CONTROL_TOKENS,
    }


def family_texts(make, seed: int, count: int) -> list[str]:
    """Every text of `count` training problems of one family, without special tokens."""
    source = Source(seed, "train")
    texts = []
    for _ in range(count):
        problem = make(source)
        if not belongs_to(problem, "train"):
            continue
        problem = in_a_persons_manner(problem, source)
        texts += [part for part, _ in render(problem) if part and not isinstance(part, Special)]
    return texts


def corpus(families: dict, seed: int, problems: int):
    """Yields the text: of each family the same number of characters, then the common words."""
    per_family = max(1, problems // len(families))
    texts = [family_texts(make, seed, per_family) for make in families.values()]
    sizes = [sum(map(len, of_family)) for of_family in texts]
    share = sum(sizes) // len(sizes)
    for of_family in texts:
        left = share
        for text in itertools.cycle(of_family):
            if left <= 0:
                break
            left -= len(text)
            yield text
    if WORDS_FILE.exists():
        words = WORDS_FILE.read_text(encoding="utf-8").split()
        # Each word often enough to weigh like a word of one family's text.
        repeats = max(1, share // (4 * sum(len(word) + 1 for word in words)))
        for _ in range(repeats):
            yield " " + " ".join(words)


def train(families: dict, vocab: int, problems: int, seed: int) -> dict:
    """The content of tokenizer.json. Raises RuntimeError when the text is too small for the vocabulary."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab - len(SPECIAL_TOKENS),
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(families, seed, problems), trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    if len(learned["vocab"]) != vocab - len(SPECIAL_TOKENS):
        raise RuntimeError(
            f"the text yields only {len(learned['vocab'])} of {vocab - len(SPECIAL_TOKENS)} tokens;"
            " ask for a smaller --vocab or more --problems"
        )
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in learned["merges"]]
    first_special = vocab - len(SPECIAL_TOKENS)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token(token, first_special + i) for i, token in enumerate(SPECIAL_TOKENS)],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(sorted(learned["vocab"].items(), key=lambda item: item[1])),
            "merges": merges,
        },
    }


def config_of(tokenizer: dict, max_length: int = 4096) -> dict:
    """The content of tokenizer_config.json."""
    added = {}
    for token in tokenizer["added_tokens"]:
        added[str(token["id"])] = {key: token[key] for key in sorted(token) if key != "id"}
    return {
        "add_bos_token": False,
        "add_eos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "bos_token": "<|endoftext|>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|endoftext|>",
        "model_max_length": max_length,
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "GPT2Tokenizer",
        "unk_token": "<|endoftext|>",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--vocab", type=int, default=2048, help="tokens in all: bytes, merges and special tokens"
    )
    parser.add_argument(
        "--problems", type=int, default=40000, help="problems to learn from, of all families together"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", help="modules to use instead of all, separated by commas")
    options = parser.parse_args()
    smallest = BYTES + len(SPECIAL_TOKENS)
    if not smallest <= options.vocab <= MAX_VOCAB:
        parser.error(f"--vocab is {smallest} (bytes and special tokens) to {MAX_VOCAB}, not {options.vocab}")
    if options.problems < 1:
        parser.error(f"--problems is at least 1, not {options.problems}")
    modules = options.families.split(",") if options.families else list(MODULES)
    for module in modules:
        if module not in MODULES:
            parser.error(f"unknown module '{module}'; there are {', '.join(MODULES)}")
    try:
        tokenizer = train(families_of(modules), options.vocab, options.problems, options.seed)
    except (ImportError, RuntimeError) as error:
        print(f"tokenizer.py: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config_of(tokenizer))):
        text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=False)
        (options.out / name).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
