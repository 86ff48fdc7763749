#!/usr/bin/env python3
"""Draws what peers.py --json measured: picture.py peers.json peers.svg

How many times as fast as each peer sambay is, test by test: the median of the rounds' ratios as a dot, from the least to the most as a line. The
axis is logarithmic; its left line is the peer's own speed. Python's standard library only.
"""
import json, math, os, sys
from xml.sax.saxutils import escape

LABELS, WIDTH, RIGHT, ROW, TOP = 250, 760, 70, 22, 74
COLOURS = ("#2a78c0", "#c8641e", "#2f9e5a", "#9050b0")
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #333; } .small { font-size: 12px; fill: #666; } .title { font-size: 15px; font-weight: 600; }
.grid { stroke: #ccc; } .axis { stroke: #888; }
@media (prefers-color-scheme: dark) { text { fill: #ddd; } .small { fill: #aaa; } .grid { stroke: #444; } .axis { stroke: #999; } }
</style>"""


def describe(result):
    """decode at 32,768, q8_0 cache"""
    text = f"prefill of {result['prompt']:,}" if result["test"] == "prefill" else "decode"
    if result["batch"] > 1:
        text += f", {result['batch']} sequences"
    if result["depth"]:
        text += f" at {result['depth']:,}"
    return text + ("" if result["kv"] == "f16" else f", {result['kv']} cache")


def picture(report):
    """The SVG's text. Tests in which no peer could be compared are left out; ValueError when none is left."""
    results = [r for r in report["results"] if r["ratios"]]
    if not results:
        raise ValueError("no test in which a peer was measured")
    names = list(dict.fromkeys(name for r in results for name in r["ratios"]))
    spreads = [s for r in results for s in r["ratios"].values()]
    low = min(0.0, math.floor(math.log2(min(s["min"] for s in spreads))))
    high = max(1.0, math.ceil(math.log2(max(s["max"] for s in spreads))))
    x = lambda ratio: LABELS + (math.log2(ratio) - low) / (high - low) * (WIDTH - LABELS - RIGHT)
    height = TOP + sum(ROW * len(r["ratios"]) + 8 for r in results) + 40
    bottom = height - 34

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">', STYLE,
           '<text class="title" x="12" y="22">sambay, times as fast as others</text>',
           f'<text class="small" x="12" y="40">{escape(report["cpu"])}, {report["threads"]} threads, {report["rounds"]} rounds in turn</text>']
    at = 12.0
    for name, colour in zip(names, COLOURS * len(names)):
        out.append(f'<circle cx="{at + 5}" cy="56" r="5" fill="{colour}"/><text class="small" x="{at + 15}" y="60">{escape(name)}</text>')
        at += 40 + 7 * len(name)
    for power in range(int(low), int(high) + 1):
        place = x(2.0**power)
        out.append(f'<line class="{"grid" if power else "axis"}" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP - 6}" y2="{bottom}"/>'
                   f'<text class="small" x="{place:.1f}" y="{bottom + 16}" text-anchor="middle">{2.0**power:g}x</text>')
    y = TOP
    for result in results:
        out.append(f'<text x="{LABELS - 12}" y="{y + 15}" text-anchor="end">{escape(describe(result))}</text>')
        for name, s in result["ratios"].items():
            colour, middle = COLOURS[names.index(name) % len(COLOURS)], y + ROW / 2
            out.append(f'<line x1="{x(s["min"]):.1f}" x2="{x(s["max"]):.1f}" y1="{middle}" y2="{middle}" stroke="{colour}" stroke-width="3"/>'
                       f'<circle cx="{x(s["median"]):.1f}" cy="{middle}" r="5" fill="{colour}"/>'
                       f'<text class="small" x="{x(s["max"]) + 9:.1f}" y="{middle + 4}">{s["median"]:.{1 if s["median"] >= 10 else 2}f}</text>')
            y += ROW
        y += 8
    return "\n".join([*out, "</svg>", ""])


def main(arguments):
    if len(arguments) != 2 or arguments[0].startswith("-"):
        print("usage: picture.py PEERS.json PICTURE.svg", file=sys.stderr)
        return 2
    source, target = arguments
    try:
        with open(source, encoding="utf-8") as f:
            text = picture(json.load(f))
        with open(target + ".part", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(target + ".part", target)
    except (OSError, ValueError, KeyError, TypeError) as e:
        print(f"picture.py: error: {source}: {e if isinstance(e, (OSError, ValueError)) else f'not what peers.py --json writes ({e!r})'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
