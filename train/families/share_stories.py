"""Divisions with remainder in small stories and plain words (boxes, teams, shares, pieces, dozens): only for training."""

from __future__ import annotations

from families.size_stories import asked_about
from problem import Source
from storybook import Storybook, capitalised, with_right_articles

_SHARES = Storybook("share.txt")
_NAMES = "Anna Ben Carla David Emma Finn Grace Hugo Iris Jack Kate Leo Mia Noah Olga Paul Rosa Sam Tina Omar Priya Wei".split()
# What goes into what: things, and after the bar what they fill, one and many.
_PACKED = (
    "jars bottles tins eggs apples lemons buns cups candles toys parts bolts books|box/boxes crate/crates carton/cartons",
    "eggs muffins rolls cakes pies cookies|tray/trays box/boxes plate/plates",
    "players pupils children guests runners dancers|team/teams group/groups row/rows",
    "chairs seats desks|row/rows stack/stacks",
    "trees plants seedlings bulbs|row/rows bed/beds tray/trays",
    "photos stamps cards stickers|page/pages sheet/sheets album/albums",
    "flowers roses tulips|bunch/bunches vase/vases bouquet/bouquets",
    "passengers pupils guests visitors|bus/buses van/vans boat/boats tour/tours",
    "bricks tiles planks pipes boxes|pallet/pallets stack/stacks load/loads",
    "coins screws pills nails sweets marbles beads|bag/bags roll/rolls packet/packets pile/piles",
    "letters parcels files|bundle/bundles sack/sacks shelf/shelves",
    "books files records|shelf/shelves stack/stacks",
    "batteries bulbs pens pencils crayons|pack/packs set/sets",
)
_SHARED = (
    "sweets cookies marbles coins cards nuts apples grapes stickers stamps shells pens tickets plums balloons books"
).split()
_PEOPLE = (
    "children friends kids pupils players workers cousins neighbours guests boys girls teams classes families people clubs"
).split()
# What is cut, how, with what unit, into which pieces.
_CUT = (
    ("a rope", "cut", "cuts", "cm metres m", "piece/pieces length/lengths"),
    ("a board", "cut", "cuts", "cm mm", "piece/pieces shelf/shelves"),
    ("a ribbon", "cut", "cuts", "cm inches", "bow/bows piece/pieces"),
    ("a pipe", "sawn", "saws", "cm mm", "piece/pieces part/parts"),
    ("a cable", "cut", "cuts", "metres m feet", "piece/pieces lead/leads"),
    ("a roll of cloth", "cut", "cuts", "cm metres", "curtain/curtains piece/pieces"),
    ("a tank", "filled", "fills", "ml litres", "bottle/bottles can/cans"),
    ("a sack of flour", "divided", "makes", "g grams", "portion/portions bag/bags"),
    ("a film", "divided", "makes", "minutes seconds", "part/parts clip/clips"),
)
_BOUGHT = (
    "ticket/tickets lamp/lamps book/books cup/cups pen/pens sandwich/sandwiches plant/plants toy/toys stamp/stamps"
).split()


def share_story(source: Source, kind: str, a: int, b: int) -> str:
    """A question of that kind (quotient, remainder, both, divisible, left) about a divided by b, both at least 2."""
    rng = source.rng
    form = rng.choice("pack pack pack share share cut buy plain plain".split())
    if b == 12 and source.chance(0.5):
        form = "dozen"
    commas = "," if source.chance(0.06) else ""
    words = {"a": f"{a:{commas}}", "b": f"{b}", "N": rng.choice(_NAMES)}
    if form == "pack":
        things, _, boxes = rng.choice(_PACKED).partition("|")
        words["things"] = rng.choice(things.split())
        words["box"], words["boxes"] = rng.choice(boxes.split()).split("/")
        if words["boxes"] == words["things"]:
            words["box"], words["boxes"] = "crate", "crates"
    elif form == "cut":
        words["what"], words["cut"], words["cuts"], units, pieces = rng.choice(_CUT)
        words["What"] = capitalised(words["what"])
        words["u"] = rng.choice(units.split())
        words["piece"], words["pieces"] = rng.choice(pieces.split()).split("/")
    elif form == "buy":
        words["thing"], words["things"] = rng.choice(_BOUGHT).split("/")
        words["u"] = rng.choice("euros dollars pounds francs coins".split())
    else:
        words["things"] = rng.choice(_SHARED if form == "share" else "eggs rolls bottles cups roses".split())
        words["people"] = rng.choice(_PEOPLE)
        words["People"] = capitalised(words["people"])
    words["Things"] = capitalised(words.get("things", ""))
    fact = _SHARES.pick(source, f"{form}.fact").format(**words) if f"{form}.fact" in _SHARES else ""
    if kind == "remainder" and a % b and f"{form}.part" in _SHARES and source.chance(0.1):
        kind = "part"
    return with_right_articles(asked_about(source, _SHARES.pick(source, f"{form}.{kind}"), fact, words))
