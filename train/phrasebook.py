"""Phrasings kept as text: train/phrases/NAME.txt, with sections `[train KIND]` and `[test KIND]` and one phrasing a line."""

from __future__ import annotations

from pathlib import Path

from problem import Source

FOLDER = Path(__file__).parent / "phrases"


class Phrasebook:
    """The phrasings of one file by kind; those of the test are never given to training.

    A phrasing has {fields} for str.format; `\\n` in it is a line break, `#` begins a line of comment.
    """

    def __init__(self, name: str):
        """Reads FOLDER/NAME.txt. Raises ValueError for a line outside a section, or a phrasing of both splits."""
        self._phrasings: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}}
        path = FOLDER / f"{name}.txt"
        section = None
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if line.startswith("[") and line.endswith("]"):
                split, _, kind = line[1:-1].partition(" ")
                section = self._phrasings[split].setdefault(kind, [])
            elif section is None:
                raise ValueError(f"{path}:{number}: a phrasing before the first section")
            else:
                section.append(line.replace("\\n", "\n"))
        for kind, phrasings in self._phrasings["train"].items():
            shared = set(phrasings) & set(self._phrasings["test"].get(kind, ()))
            if shared:
                raise ValueError(f"{path}: kind '{kind}' has '{shared.pop()}' for training and for the test")

    def of(self, source: Source, *kinds: str) -> str:
        """One phrasing of any of these kinds, as str.format takes it."""
        sections = self._phrasings[source.split]
        if len(kinds) > 1:
            kinds = source.rng.choices(kinds, [len(sections.get(kind, ())) for kind in kinds])
        return source.rng.choice(sections[kinds[0]])
