"""Names of every kind for order puzzles, so that copying them is learned from any string; for training only."""

from __future__ import annotations

from storybook import sections
from vocabulary import PEOPLE, is_known_word

_PARTS = {
    name: [word.strip() for line in lines for word in line.split(",")]
    for (_, name), lines in sections("order_names.txt").items()
}
_STARTS = "b c d f g h j k l m n p q r s t v w x y z bl br ch cl cr dj dw fj fl fr gl gn gr gw kh kl kn kr kv".split()
_STARTS += "ll ly mn my ng ny ph pl pr ps qu rh sc sch scr sh shr sk sl sm sn sp squ st str sv sw th thr tr ts tw".split()
_STARTS += "tz ty vl vr wh wr xh zh zw".split() + [""] * 6
_VOWELS = "a e i o u y a e i o u ae ai au ay ea ee ei eo eu ie io oa oe oi oo ou oy ua ue ui uo".split()
_ENDS = "b c d f g k l m n p r s t x z ck ct ft gh ks ld lf lk lm lt mb mp nd ng nk nt nz pt rb rd rg rk rm".split()
_ENDS += "rn rp rt rx sch sh sk sp st tch th tz wn x zz".split() + [""] * 30


def made_up(rng) -> str:
    """A word in small letters that can be said, if with trouble."""
    while True:
        count = rng.choices((1, 2, 3), (35, 50, 15))[0]
        word = "".join(
            rng.choice(_STARTS) + rng.choice(_VOWELS) + (rng.choice(_ENDS) if rng.random() < 0.6 else "")
            for _ in range(count)
        )
        if 3 <= len(word) <= 10 and not is_known_word(word):
            return word


def _simple(rng, kind: str) -> str:
    return rng.choice(_PARTS[kind])


def _initials(rng) -> str:
    return "".join(rng.choice("ABCDEFGHJKLMNOPRSTUVWYZ") for _ in range(rng.choice((2, 2, 3))))


def _code(rng) -> str:
    return rng.choice("ABCDEGHKLMNPRSTVWXZ") + str(rng.randint(1, 99))


def _maker(puzzle):
    """How one name of this puzzle is made, and whether it goes without an article."""
    rng, kind = puzzle.rng, puzzle.kind
    if kind == "colours":
        return None
    if kind in ("people", "letters"):
        group = _simple(rng, "groups")
        makers = [
            (5, lambda: made_up(rng).capitalize()),
            (3, lambda: made_up(rng)),
            (2, lambda: f"{made_up(rng).capitalize()} {made_up(rng).capitalize()}"),
            (2, lambda: rng.choice(PEOPLE).name.lower()),
            (1, lambda: made_up(rng).upper()),
            (1, lambda: _initials(rng)),
            (2, lambda: f"{_simple(rng, 'titles')} {_simple(rng, 'surnames')}"),
            (1, lambda: f"{_simple(rng, 'titles')} {made_up(rng).capitalize()}"),
            (1, lambda: f"{rng.choice(PEOPLE).name} {rng.choice('ABCDGHKLMPRSTW')}"),
            (1, lambda: f"{rng.choice(PEOPLE).name} {_simple(rng, 'surnames')}"),
            (1, lambda: f"{group} {rng.choice('ABCDEFGH')}"),
            (1, lambda: f"{group} {rng.randint(1, 20)}"),
            (1, lambda: f"{group} {made_up(rng).capitalize()}"),
            (1, lambda: _code(rng)),
        ]
    elif kind == "cities":
        place = _simple(rng, "places")
        makers = [
            (3, lambda: made_up(rng).capitalize()),
            (2, lambda: made_up(rng)),
            (2, lambda: f"{made_up(rng).capitalize()} {place}"),
            (1, lambda: f"{_simple(rng, 'before')} {made_up(rng).capitalize()}"),
            (2, lambda: _simple(rng, "towns")),
        ]
    else:
        thing = rng.choice(_PARTS[f"things.{kind}"]) if f"things.{kind}" in _PARTS else _simple(rng, "things")
        marks = rng.choice(("colours", "qualities", "stuffs"))
        if kind == "animals":
            marks = rng.choice(("colours", "qualities"))
        if puzzle.rng.random() < 0.45:
            return lambda: f"{_simple(rng, marks)} {thing}", False
        makers = [
            (2, lambda: f"{thing.capitalize()} {rng.choice('ABCDEFGHKLMNPQRSTXYZ')}"),
            (2, lambda: f"{thing.capitalize()} {rng.randint(1, 30)}"),
            (2, lambda: f"{thing} {rng.randint(1, 30)}"),
            (2, lambda: made_up(rng).capitalize()),
            (1, lambda: f"{made_up(rng).capitalize()} {_code(rng)}"),
            (1, lambda: _code(rng)),
        ]
        if kind == "buildings":
            makers.append((4, lambda: f"{made_up(rng).capitalize()} {_simple(rng, 'houses')}"))
    return rng.choices([maker for _, maker in makers], [share for share, _ in makers])[0], True


_NOUNS = {
    word.lower()
    for name, words in _PARTS.items()
    if name in ("groups", "places", "houses") or name.startswith("things")
    for word in words
} | {"lake", "port", "cape", "river", "island"}


def shared_noun(names: list[str]) -> str:
    """What all of them are by their names: street for Mill Street and Long Street."""
    for place in (0, -1):
        words = {name.lower().split(" ")[place] for name in names if " " in name}
        if len(words) == 1 and words <= _NOUNS and all(" " in name for name in names):
            return words.pop()
    return ""


def names_of_training(puzzle) -> tuple[list[str], bool] | None:
    """Names of one kind, and whether they go without an article; None when this puzzle has names of its own."""
    found = _maker(puzzle)
    if not found:
        return None
    make, is_bare = found
    names: list[str] = []
    for _ in range(200):
        name = make()
        if not any(name.lower() in (other.lower(), *other.lower().split(" ")) for other in names):
            names.append(name)
        if len(names) == puzzle.size:
            return names, is_bare
    return None
