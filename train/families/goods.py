"""Two kinds of things that are bought together, for pairs of equations. Singular; every plural is with an s."""

from __future__ import annotations

from order_names import made_up
from problem import Source
from vocabulary import NOUNS

_TRAIN = (
    ("pen", "book"), ("apple", "banana"), ("coffee", "tea"), ("burger", "drink"), ("pencil", "ruler"), ("cup", "plate"),
    ("shirt", "tie"), ("chair", "table"), ("cake", "cookie"), ("melon", "lemon"), ("ball", "bat"), ("rose", "tulip"),
    ("notebook", "eraser"), ("pizza", "soda"), ("bolt", "nut"), ("lamp", "candle"), ("stamp", "card"), ("hat", "scarf"),
    ("hammer", "saw"), ("brick", "tile"), ("mask", "gown"), ("goat", "hen"), ("bagel", "pretzel"), ("file", "binder"), ("valve", "pump"),
)  # fmt: skip
_TEST = (
    ("orange", "pear"),
    ("fork", "spoon"),
    ("muffin", "juice"),
    ("folder", "marker"),
    ("sock", "belt"),
)
_TESTED = frozenset(thing for pair in _TEST for thing in pair)
# Everything else that stories are about, so that no word is copied only beside its usual neighbour.
_ALL = sorted(
    {noun.one for kind in ("food", "thing", "goods") for noun in NOUNS[kind] if noun.many == noun.one + "s"}
    - _TESTED
)


def two_goods(source: Source) -> tuple[str, str]:
    """In any order. In training often any two things, and words that are none: whoever copies a name must read it."""
    rng = source.rng
    if source.split != "train":
        pair = rng.choice(_TEST)
    elif (kind := rng.random()) < 0.25:
        pair = rng.choice(_TRAIN)
    elif kind < 0.55:
        pair = rng.sample(_ALL, 2)
    else:
        pair = [_unheard_of(rng), _unheard_of(rng) if source.chance(0.5) else rng.choice(_ALL)]
    return (pair[1], pair[0]) if source.chance(0.5) else (pair[0], pair[1])


def _unheard_of(rng) -> str:
    while (word := made_up(rng)).endswith(("s", "x", "z", "ch", "sh", "y")):
        pass
    return word
