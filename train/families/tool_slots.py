"""What people say to tools: the values of the slots of their sentences, each with what stands in the call."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal

from families.refusals import FILLERS

# A slot's value: what the person says, and what stands in the call.
Slots = dict[str, tuple[str, object]]

OPERATIONS = ("+", "-", "*", "/")
OPERATION_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
_SIGNS = {
    "+": ("+", "+", "+", "plus", "+"),
    "-": ("-", "-", "-", "minus", "−"),
    "*": ("*", "*", "x", "×", "times", "·"),
    "/": ("/", "/", "÷", ":", "divided by"),
}
PLACES = (
    FILLERS["city"]
    + FILLERS["country"]
    + (
        "New York|Los Angeles|San Francisco|Rio de Janeiro|Buenos Aires|Mexico City|Cape Town|"
        "Hong Kong|Tel Aviv|Abu Dhabi|"
        "Dubai|Sydney|Perth|Auckland|Honolulu|Anchorage|Reykjavik|Kathmandu|Dallas|Miami|Phoenix|"
        "Vancouver|Calgary|Vienna|"
        "Brussels|Amsterdam|Copenhagen|Jakarta|Hanoi|Taipei|Riyadh|Doha|Tehran|Karachi|Santiago|"
        "Caracas|Quito|La Paz|UTC|"
        "Europe/Berlin|America/New_York|Asia/Tokyo|Europe/Paris|Asia/Kolkata|GMT|CET|EST|"
        "my home town|Salzburg|Basel|Utrecht"
    ).split("|")
)
ROOMS = (
    "living room|bedroom|kitchen|bathroom|office|hall|hallway|kids room|nursery|garage|cellar|"
    "basement|attic|dining room|"
    "guest room|study|workshop|lab|server room|greenhouse|classroom|lobby|library|gym|studio|"
    "meeting room|warehouse|"
    "upstairs bedroom|conference room|playroom|balcony|laundry"
).split("|")
MODES = ("heat", "cool", "auto", "eco", "dry")
DOORS = "front door|back door|garage door|gate|garden gate|door|window|main entrance|safe|cellar door|hatch|barn".split(
    "|"
)
MACHINES = "fan|pump|heater|motor|conveyor|compressor|mixer|ventilator|drill|oven|boiler|sprinkler|coffee machine".split(
    "|"
)
TEXTS = (
    "I am late|I will be home at eight|dinner is ready|the meeting is cancelled|"
    "please call me back|happy birthday|"
    "we need milk|the train is late|I love you|see you tomorrow|the report is done|"
    "thank you for the gift|I am ill today|"
    "the key is under the mat|good luck|the {noun} is {adjective}|I found the {noun}|"
    "please bring the {noun}|"
    "we have no {noun}|my {noun} is broken|don't forget the {noun}|the {plural} are here|"
    "I can't {verb} today"
).split("|")
TODOS = (
    "call mum|water the plants|buy milk|feed the cat|take my pills|pay the rent|go to the dentist|"
    "clean the {noun}|"
    "{verb} the {noun}|buy {plural}|write to {first}|call {first}|pick up the {noun}|charge the phone"
).split("|")
SONGS = (
    "Yesterday|Imagine|Für Elise|Let it be|Jingle Bells|Hey Jude|Thriller|Africa|Wonderwall|"
    "the radio|some jazz|"
    "Blue {noun}|The {adjective} {noun}|My {noun}|{adjective} {plural}|{noun} and {noun}"
).split("|")
TOPICS = "{plural}|the {noun}|{adjective} {plural}|{person}|{city}|cheap {plural}|{science}|{dish}|{landmark}".split(
    "|"
)
WORDS = "{noun}|{adjective}|{verb}|{saying}".split("|")
SYMBOLS = "AAPL MSFT TSLA GOOG AMZN IBM SAP NVDA INTC AMD ORCL BMW VOW SHEL NKE DIS KO PEP T F".split()
CURRENCIES = "dollars euros yen pounds francs USD EUR GBP JPY CHF rupees pesos crowns zloty CAD AUD".split()
DIRECTIONS = "left right forward back up down north south east west".split()

# Units that convert into each other: (the names, of which one is used, how many base units it is).
_LENGTH = [
    (("km", "kilometers", "kilometres"), "1000"),
    (("m", "meters", "metres"), "1"),
    (("cm", "centimeters", "centimetres"), "0.01"),
    (("mm", "millimeters"), "0.001"),
    (("miles", "mi"), "1609.344"),
    (("feet", "ft"), "0.3048"),
    (("inches", "in"), "0.0254"),
    (("yards", "yd"), "0.9144"),
]
_MASS = [
    (("kg", "kilograms", "kilos"), "1000"),
    (("g", "grams"), "1"),
    (("t", "tonnes", "tons"), "1000000"),
    (("mg", "milligrams"), "0.001"),
    (("pounds", "lb", "lbs"), "453.59237"),
    (("ounces", "oz"), "28.349523125"),
]
_VOLUME = [
    (("liters", "litres", "l"), "1"),
    (("ml", "milliliters", "millilitres"), "0.001"),
    (("gallons", "gal"), "3.785411784"),
    (("pints", "pt"), "0.473176473"),
    (("cups",), "0.2365882365"),
]
_TIME = [
    (("hours", "h"), "3600"),
    (("minutes", "min"), "60"),
    (("seconds", "s"), "1"),
    (("days", "d"), "86400"),
    (("weeks",), "604800"),
]
_SPEED = [
    (("km/h", "kph"), "1"),
    (("mph", "miles per hour"), "1.609344"),
    (("m/s", "metres per second"), "3.6"),
]
_DATA = [(("GB", "gigabytes"), "1000"), (("MB", "megabytes"), "1"), (("TB", "terabytes"), "1000000")]
_UNITS = (_LENGTH, _LENGTH, _LENGTH, _MASS, _MASS, _VOLUME, _TIME, _SPEED, _DATA)
_DEGREES = ("celsius", "Celsius", "C", "°C", "degrees Celsius"), (
    "fahrenheit",
    "Fahrenheit",
    "F",
    "°F",
    "degrees Fahrenheit",
)


def decimal_text(value: Decimal) -> str:
    """At most four decimals, of small values more, rounded half up, no superfluous zeros: 8.0467, 12, 0.000031."""
    places = 4 if not value else max(4, 3 - value.adjusted())
    text = f"{value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Number(str):
    """Digits as they stand in JSON: the number that the person said, digit for digit."""


def pick(rng: random.Random, items) -> tuple[str, str]:
    item = rng.choice(items)
    return item, item


def fill(rng: random.Random, texts) -> tuple[str, str]:
    """A text whose {slots} are common words."""
    text = rng.choice(texts)
    while "{" in text:
        before, _, rest = text.partition("{")
        slot, _, after = rest.partition("}")
        text = before + rng.choice(FILLERS[slot]) + after
    return text, text


def whole(rng: random.Random, low: int, high: int) -> tuple[str, Number]:
    text = str(rng.randint(low, high))
    return text, Number(text)


def amount(rng: random.Random) -> tuple[str, Number]:
    kind = rng.random()
    if kind < 0.7:
        digits = rng.randint(1, 4)
        text = str(rng.randint(1 if digits == 1 else 10 ** (digits - 1), 10**digits - 1))
    else:
        tenths = str(rng.randint(1, 9))
        text = f"{rng.randint(0, 400)}.{rng.choice(('5', '5', '25', '75', tenths, tenths))}"
    return text, Number(text)


def _operand(rng: random.Random) -> str:
    digits = rng.randint(1, 6)
    text = str(rng.randint(1 if digits == 1 else 10 ** (digits - 1), 10**digits - 1))
    return f"{text}.{rng.randint(1, 99)}".rstrip("0") if rng.random() < 0.1 else text


def _said(rng: random.Random, parts: list[str]) -> str:
    """An expression as a person writes it: other signs, other spaces."""
    if rng.random() < 0.3:
        return "".join(parts)
    signs = {operation: rng.choice(_SIGNS[operation]) for operation in OPERATIONS}
    text = ""
    tight = rng.random() < 0.3
    for part in parts:
        if part in signs:
            sign = signs[part]
            text += sign if tight and len(sign) == 1 else f" {sign} "
        else:
            text += part
    return text


def draw_expression(rng: random.Random, operation: str = "") -> Slots:
    """{a} {operation} {b} for a calculator, or a longer expression {e}."""
    if not operation and rng.random() < 0.25:
        parts = [_operand(rng)]
        for _ in range(rng.randint(2, 3)):
            parts += [rng.choice(OPERATIONS), _operand(rng)]
        if rng.random() < 0.4:
            first = rng.choice(range(0, len(parts) - 2, 2))
            parts[first : first + 3] = ["(" + parts[first], parts[first + 1], parts[first + 2] + ")"]
        return {"e": (_said(rng, parts), " ".join(parts))}
    operation = operation or rng.choice(OPERATIONS)
    a, b = _operand(rng), _operand(rng)
    if operation == "/" and "." not in a + b and rng.random() < 0.6:
        b = str(rng.randint(2, 99))
        a = str(int(b) * rng.randint(2, 9999))
    return {
        "e": (_said(rng, [a, operation, b]), f"{a} {operation} {b}"),
        "a": (a, Number(a)),
        "b": (b, Number(b)),
        "op": (operation, operation),
    }


def draw_units(rng: random.Random) -> Slots:
    value = amount(rng)
    if rng.random() < 0.15:
        source, target = rng.sample(_DEGREES, 2)
        source, target = rng.choice(source), rng.choice(target)
    else:
        (sources, _), (targets, _) = rng.sample(rng.choice(_UNITS), 2)
        source, target = rng.choice(sources), rng.choice(targets)
    return {"value": value, "source": (source, source), "target": (target, target)}


def converted(value: str, source: str, target: str) -> str:
    """The right result of a conversion that draw_units drew."""
    amount = Decimal(value)
    if source in _DEGREES[0]:
        return decimal_text(amount * 9 / 5 + 32)
    if source in _DEGREES[1]:
        return decimal_text((amount - 32) * 5 / 9)
    for system in _UNITS:
        factors = {name: Decimal(factor) for names, factor in system for name in names}
        if source in factors and target in factors:
            return decimal_text(amount * factors[source] / factors[target])
    raise ValueError(f"no conversion from {source} to {target}")


def draw_place(rng: random.Random) -> Slots:
    if rng.random() < 0.12:  # a place nobody knows: names are copied, not recalled
        name = rng.choice(FILLERS["noun"]).capitalize() + rng.choice(
            ("ville", "burg", " Bay", "ton", "field", "ia", " City")
        )
        place = (name, name)
    else:
        place = pick(rng, PLACES)
    return {"place": place, "day": pick(rng, FILLERS["day"] + ["today", "tomorrow", "tomorrow"])}


def draw_climate(rng: random.Random) -> Slots:
    kind = rng.random()
    text = str(rng.randint(5, 32) if kind < 0.75 else rng.randint(55, 90)) + (
        ".5" if rng.random() < 0.15 else ""
    )
    return {"degrees": (text, Number(text)), "room": pick(rng, ROOMS), "mode": pick(rng, MODES)}


def clock_text(rng: random.Random) -> tuple[str, str]:
    text = (
        f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}"
        if rng.random() < 0.6
        else f"{rng.randint(1, 12)} {rng.choice('ap')}m"
    )
    return text, text


def draw_order(rng: random.Random) -> Slots:
    text = str(rng.randint(100, 10**7))
    if rng.random() < 0.3:
        text = rng.choice("ABCKXZ") + rng.choice(("", "-")) + text
    return {"id": (text, text)}


def draw_range(rng: random.Random) -> Slots:
    low = rng.randint(0, 50)
    return {"low": (str(low), Number(low)), "high": whole(rng, low + 1, low + 1000)}
