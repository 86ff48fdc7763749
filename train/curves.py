#!/usr/bin/env python3
"""Draws runs from their logs: curves.py --log OUT/log.jsonl [--log ...] --out FOLDER writes loss.svg and families.svg (needs matplotlib)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "sambay"  # the same input gives the same file
import matplotlib.pyplot as plt

INK, GRID, LINE = "#333333", "#dddddd", "#2a6fbb"


def read(paths: list[Path]) -> list[dict]:
    """The logs' lines, one run behind another, with `total`: million tokens since the first, over all stages.

    A stage that was cut off and begun again stands in its log twice: the first attempt led to no weights and is left out.
    """
    stages: dict[tuple[Path, str], list[dict]] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if "tokens" not in entry:
                continue
            attempt = stages.setdefault((path, entry["stage"]), [])
            if attempt and entry["tokens"] < attempt[-1]["tokens"]:
                attempt.clear()
            attempt.append(entry)
    entries, before = [], 0
    for attempt in stages.values():
        entries += [{**entry, "total": (before + entry["tokens"]) / 1e6} for entry in attempt]
        before += attempt[-1]["tokens"]
    return entries


def stage_ends(entries: list[dict]) -> list[tuple[float, str]]:
    return [(entry["total"], entry["stage"]) for entry in entries if entry.get("finished")]


def plain(axes) -> None:
    axes.grid(color=GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)


def loss_curve(entries: list[dict], out: Path) -> None:
    points = [entry for entry in entries if "loss" in entry]
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.plot([entry["total"] for entry in points], [entry["loss"] for entry in points], color=LINE, linewidth=1.2)
    axes.set_yscale("log")
    for total, stage in stage_ends(entries):
        axes.axvline(total, color=INK, linewidth=0.6, linestyle=":")
        axes.annotate(stage, (total, axes.get_ylim()[1]), fontsize=7, color=INK, ha="right", va="top", rotation=90)
    axes.set_xlabel("million tokens", fontsize=9)
    axes.set_ylabel("loss per learned token (nats)", fontsize=9)
    plain(axes)
    figure.savefig(out, metadata={"Date": None})


def family_curves(entries: list[dict], out: Path) -> None:
    points = [entry for entry in entries if "solved" in entry]
    families = list(points[-1]["solved"])
    columns = 6
    rows = -(-len(families) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(11, 1.6 * rows), sharex=True, sharey=True, layout="constrained")
    for axes in grid.flat[len(families) :]:
        axes.set_visible(False)
    for axes, family in zip(grid.flat, families):
        known = [(entry["total"], 100 * entry["solved"][family]) for entry in points if family in entry["solved"]]
        axes.plot(*zip(*known), color=LINE, linewidth=1.2)
        axes.set_title(f"{family}  {known[-1][1]:.0f} %", fontsize=9, color=INK)
        axes.set_ylim(-3, 103)
        plain(axes)
    figure.supxlabel("million tokens", fontsize=9)
    figure.supylabel("held-out problems solved wholly (%)", fontsize=9)
    figure.savefig(out, metadata={"Date": None})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, action="append", required=True, help="repeatable: runs that followed one another")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    try:
        entries = read(options.log)
    except (OSError, ValueError) as error:
        print(f"curves.py: {error}", file=sys.stderr)
        return 1
    if not any("solved" in entry for entry in entries):
        print("curves.py: the logs hold no examination yet", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    loss_curve(entries, options.out / "loss.svg")
    family_curves(entries, options.out / "families.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
