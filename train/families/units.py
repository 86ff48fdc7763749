"""Conversions between units: family `unit`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from phrasings import load_phrasings
from problem import Problem, Source
from verify import evaluate, read_work
from work import add_lines, contained_keys, div_lines, exact_div_lines, mul_lines

_PHRASES = load_phrasings("unit")


@dataclass(frozen=True)
class Unit:
    """`symbol` is what answers use; `names` are pairs of a singular and a plural that questions use besides."""

    symbol: str
    names: tuple[tuple[str, str], ...]
    plural_symbol: str = ""  # when the symbol is a word

    def of(self, amount: str) -> str:
        """A quantity as an answer gives it: "3500 m", "1 day", "$3.50"."""
        if self.symbol in "$€£":
            return f"{self.symbol}{amount}"
        return f"{amount} {self.plural_symbol if self.plural_symbol and amount != '1' else self.symbol}"


def _unit(text: str) -> Unit:
    """From "m: meter/meters, metre/metres" or, for a word as symbol, "day/days: day/days"."""
    symbol, _, names = text.partition(": ")
    pairs = tuple(tuple(name.split("/")) for name in names.split(", "))
    singular, _, plural = symbol.partition("/") if not symbol.endswith("/h") and symbol != "m/s" else (symbol, "", "")
    return Unit(singular, pairs, plural)


_ALL_UNITS = """
km: kilometer/kilometers, kilometre/kilometres
m: meter/meters, metre/metres
dm: decimeter/decimeters, decimetre/decimetres
cm: centimeter/centimeters, centimetre/centimetres
mm: millimeter/millimeters, millimetre/millimetres
in: inch/inches
ft: foot/feet
yd: yard/yards
mi: mile/miles
t: ton/tons, tonne/tonnes, metric ton/metric tons
kg: kilogram/kilograms, kilo/kilos
g: gram/grams
mg: milligram/milligrams
lb: pound/pounds
oz: ounce/ounces
l: liter/liters, litre/litres
dl: deciliter/deciliters, decilitre/decilitres
cl: centiliter/centiliters, centilitre/centilitres
ml: milliliter/milliliters, millilitre/millilitres
m³: cubic meter/cubic meters, cubic metre/cubic metres
gal: gallon/gallons
qt: quart/quarts
pt: pint/pints
ms: millisecond/milliseconds
s: second/seconds
min: minute/minutes
h: hour/hours
day/days: day/days
week/weeks: week/weeks
month/months: month/months
year/years: year/years
decade/decades: decade/decades
century/centuries: century/centuries
bit/bits: bit/bits
byte/bytes: byte/bytes
kB: kilobyte/kilobytes
MB: megabyte/megabytes
GB: gigabyte/gigabytes
TB: terabyte/terabytes
cent/cents: cent/cents
penny/pence: penny/pence
$: dollar/dollars
€: euro/euros
£: pound/pounds
m²: square meter/square meters, square metre/square metres
cm²: square centimeter/square centimeters, square centimetre/square centimetres
ha: hectare/hectares
km²: square kilometer/square kilometers, square kilometre/square kilometres
km/h: kilometer per hour/kilometers per hour
m/s: meter per second/meters per second
W: watt/watts
kW: kilowatt/kilowatts
mA: milliampere/milliamperes
A: ampere/amperes, amp/amps
mV: millivolt/millivolts
V: volt/volts
°C: degree Celsius/degrees Celsius
°F: degree Fahrenheit/degrees Fahrenheit
"""
UNITS = {unit.symbol: unit for unit in map(_unit, _ALL_UNITS.strip().splitlines())}

# larger unit, smaller unit, how many of these make one of those; the frequent ones twice
_FACTORS = """
km m 1000; km m 1000; m cm 100; m cm 100; m mm 1000; cm mm 10; cm mm 10; km cm 100000; m dm 10; dm cm 10; km mm 1000000
ft in 12; ft in 12; yd ft 3; yd in 36; mi ft 5280; mi yd 1760
kg g 1000; kg g 1000; t kg 1000; g mg 1000; kg mg 1000000; t g 1000000; lb oz 16
l ml 1000; l ml 1000; l cl 100; l dl 10; cl ml 10; dl cl 10; dl ml 100; m³ l 1000; gal qt 4; qt pt 2; gal pt 8
h min 60; h min 60; min s 60; min s 60; h s 3600; day h 24; day h 24; week day 7; week day 7; year month 12; day min 1440
s ms 1000; year day 365; week h 168; decade year 10; century year 100
byte bit 8; kB byte 1000; MB kB 1000; GB MB 1000; TB GB 1000; GB kB 1000000; MB byte 1000000
$ cent 100; € cent 100; £ penny 100; $ cent 100
m² cm² 10000; ha m² 10000; km² ha 100; km² m² 1000000
kW W 1000; A mA 1000; V mV 1000
"""
FACTORS = [
    (UNITS[big], UNITS[small], int(factor))
    for big, small, factor in (entry.split(" ") for entry in _FACTORS.strip().replace("\n", "; ").split("; "))
]
_BY_DECIMAL = (  # one of the first is so many of the second
    ("in", "cm", "2.54"),
    ("ft", "cm", "30.48"),
    ("yd", "cm", "91.44"),
    ("ft", "m", "0.3048"),
    ("yd", "m", "0.9144"),
    ("mi", "km", "1.609344"),
    ("m/s", "km/h", "3.6"),
)
_COMPOUND = [entry for entry in FACTORS if (entry[0].symbol, entry[1].symbol) in {
    ("h", "min"), ("min", "s"), ("ft", "in"), ("week", "day"), ("day", "h"), ("m", "cm"), ("kg", "g"), ("km", "m"),
    ("year", "month"), ("lb", "oz"), ("cm", "mm"), ("l", "ml"), ("yd", "ft"),
}]  # fmt: skip
_THINGS = (
    "eggs rolls muffins pencils bottles apples roses cookies oranges boxes buns donuts bagels lemons candles".split()
)


def conversion(source: Source) -> Problem:
    kind = source.rng.choices(
        (_to_smaller, _to_larger, _by_decimal, _temperature, _join, _split, _dozens), (34, 32, 6, 10, 7, 7, 4)
    )[0]
    return kind(source)


def _to_smaller(source: Source) -> Problem:
    big, small, factor = source.rng.choice(FACTORS)
    if _is_power_of_ten(factor):
        amount = _amount(source, 4, 2 if big.symbol in "$€£" else 3)
        amount = _money(Decimal(amount)) if big.symbol in "$€£" else amount
        lines = [f"{amount}*{factor}={_plain(Decimal(amount) * factor)}"]
    else:
        amount = _amount(source, 2 if factor > 100 else 3, 1 if source.chance(0.8) or factor % 4 else 2)
        whole, _, part = amount.partition(".")
        if part and (factor > 100 or source.chance(0.7)):
            amount = f"{int(whole) % 10 if factor > 100 else whole}.5"
        lines = _product(amount, str(factor))
    return _converted(source, _rule(big, small, factor), lines, amount, big, small, Decimal(amount) * factor)


_PARTS = tuple(map(Decimal, ("0.5", "0.25", "0.75")))


def _to_larger(source: Source) -> Problem:
    big, small, factor = source.rng.choice(FACTORS)
    if _is_power_of_ten(factor):
        amount = _amount(source, 6, 1)
        if big.symbol in "$€£":
            amount = amount.partition(".")[0]
        elif source.chance(0.4):  # a result with few digits
            amount = str(source.number(3) * factor // source.rng.choice((1, 2, 10, 10)))
        amount = amount if Decimal(amount) else "5"
        result = Decimal(amount) / factor
        shown = _money(result) if big.symbol in "$€£" else _plain(result)
        lines = [f"{amount}/{factor}={shown}"]
    else:
        result = Decimal(source.number(1 if factor > 100 else 2) or 1)
        if factor <= 100 and source.chance(0.3):
            result = Decimal(source.number(3))
        if source.chance(0.3):  # a result that is not whole
            result += source.rng.choice([part for part in _PARTS if part * factor % 1 == 0] or [0])
        amount = _plain(result * factor) if result else str(factor)
        result = Decimal(amount) / factor
        lines = exact_div_lines(int(amount), factor)
    return _converted(source, _rule(big, small, factor), lines, amount, small, big, result)


def _by_decimal(source: Source) -> Problem:
    first, second, factor = source.rng.choice(_BY_DECIMAL)
    one, other = UNITS[first], UNITS[second]
    rule = f"1 {first} = {factor} {second}"
    if first == "m/s" and source.chance(0.5):
        speed = source.number(2) or 1
        amount = _plain(speed * Decimal(factor))
        tenths = int(Decimal(amount) * 10)
        lines = [f"{amount}/3.6={tenths}/36", *div_lines(tenths, 36)]
        return _converted(source, rule, lines, amount, other, one, Decimal(speed))
    amount = str(source.number(1 if first == "mi" else 2) or 1)
    return _converted(source, rule, _product(amount, factor), amount, one, other, Decimal(amount) * Decimal(factor))


def _temperature(source: Source) -> Problem:
    celsius, fahrenheit = UNITS["°C"], UNITS["°F"]
    if source.chance(0.55):
        amount = source.number(3) if source.chance(0.25) else source.number(2)
        amount -= amount % 5 if source.chance(0.4) else 0
        amount = -(amount % 100) if source.chance(0.15) else amount
        lines = [f"{amount}*9={amount * 9}"] if amount < 0 else mul_lines(amount, 9)
        lines += exact_div_lines(abs(amount * 9), 5)
        fifths = Decimal(amount * 9) / 5
        result = fifths + 32
        lines += [f"{_plain(fifths)}+32={_plain(result)}"]
        return _converted(source, "°F = °C*9/5+32", lines, str(amount), celsius, fahrenheit, result)
    result = source.number(2) if source.chance(0.8) else source.number(3)
    result -= result % 5
    result = -(result % 100) if source.chance(0.2) else result
    amount = result * 9 // 5 + 32
    lines = [f"{amount}-32={amount - 32}"]
    lines += [f"{amount - 32}*5={(amount - 32) * 5}"] if amount < 32 else mul_lines(amount - 32, 5)
    lines += div_lines(abs((amount - 32) * 5), 9)
    return _converted(source, "°C = (°F-32)*5/9", lines, str(amount), fahrenheit, celsius, Decimal(result))


def _join(source: Source) -> Problem:
    """2 h 30 min in minutes."""
    big, small, factor = source.rng.choice(_COMPOUND)
    many, few = source.number(2) or 1, source.rng.randint(1, factor - 1)
    if factor > 100 and source.chance(0.6):
        few -= few % 50 or few
        few = few or 50
    total = many * factor + few
    lines = mul_lines(many, factor) + add_lines(many * factor, few)
    form, gap = _form(source), source.rng.choice((" ", " ", " and "))
    joined = _quantity(source, str(many), big, form) + gap + _quantity(source, str(few), small, form)
    question = source.phrase(*_PHRASES["join"]).format(q=joined, to=_name(source, small, form))
    rule = _rule(big, small, factor)
    return _problem(
        question, [rule, *lines, small.of(str(total))], f"{many} {big.symbol} {few} {small.symbol}>{small.symbol}"
    )


def _split(source: Source) -> Problem:
    """150 minutes in hours and minutes."""
    big, small, factor = source.rng.choice(_COMPOUND)
    many, few = source.number(2) or 1, source.rng.randint(1, factor - 1)
    total = many * factor + few
    if _is_power_of_ten(factor):
        lines = [f"{total}={many}*{factor}+{few}"]
    else:
        lines = div_lines(total, factor)
    form = _form(source)
    question = source.phrase(*_PHRASES["split"]).format(
        q=_quantity(source, str(total), small, form), big=_name(source, big, form), small=_name(source, small, form)
    )
    rule = _rule(big, small, factor)
    answer = f"{big.of(str(many))} {small.of(str(few))}"
    return _problem(question, [rule, *lines, answer], f"{total} {small.symbol}>{big.symbol},{small.symbol}")


def _dozens(source: Source) -> Problem:
    n, thing = source.number(3) or 1, source.rng.choice(_THINGS)
    if source.chance(0.5):
        question = source.phrase(*_PHRASES["dozens"]).format(n=n, thing=thing)
        return _problem(question, ["1 dozen = 12", *mul_lines(n, 12), str(n * 12)], f"{n} dozen>1")
    question = source.phrase(*_PHRASES["in dozens"]).format(n=n * 12, thing=thing)
    return _problem(question, ["1 dozen = 12", *div_lines(n * 12, 12), f"{n} dozen"], f"{n * 12}>dozen")


def _converted(source: Source, rule: str, lines: list[str], amount: str, one: Unit, other: Unit, result) -> Problem:
    """The problem of writing an amount of one unit in the other."""
    form = _form(source)
    kind = "temperature" if one.symbol.startswith("°") else "convert"
    texts = {"q": _quantity(source, amount, one, form), "to": _name(source, other, form)}
    question = source.phrase(*_PHRASES[kind]).format(**texts)
    shown = _money(result) if other.symbol in "$€£" else _plain(result)
    return _problem(question, [rule, *lines, other.of(shown)], f"{amount} {one.symbol}>{other.symbol}")


def _problem(question: str, lines: list[str], key: str) -> Problem:
    return Problem.ask("unit", question, "\n".join(lines), lines[-1], [f"unit:{key}", *contained_keys(lines)])


def _product(amount: str, factor: str) -> list[str]:
    """amount*factor, either of which may be a decimal: as whole numbers first, then the point is put."""
    places = sum(len(text.partition(".")[2]) for text in (amount, factor))
    a, b = (int(text.replace(".", "")) for text in (amount, factor))
    if not places:
        return mul_lines(a, b)
    shift = 10**places
    result = _plain(Decimal(amount) * Decimal(factor))
    return [f"{amount}*{factor}={a}*{b}/{shift}", *mul_lines(a, b), f"{a * b}/{shift}={result}"]


def _amount(source: Source, digits: int, places: int) -> str:
    """A positive amount; four in ten are decimals."""
    whole = source.number(digits)
    if source.chance(0.6):
        return str(whole or 1)
    length = source.rng.randint(1, places)
    part = source.rng.randint(1, 10**length - 1)
    return _plain(Decimal(f"{whole % 1000}.{part:0{length}}"))


def _plain(value: Decimal) -> str:
    """Without exponent and without zeros that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(value: Decimal) -> str:
    return _plain(value) if value == int(value) or value * 100 % 1 else f"{value:.2f}"


def _is_power_of_ten(number: int) -> bool:
    return str(number).strip("0") == "1"


def _rule(big: Unit, small: Unit, factor: int) -> str:
    return f"{big.of('1')} = {small.of(str(factor))}"


def _form(source: Source) -> str:
    """One question names its units in one way: by symbols or by words."""
    return source.rng.choice(("symbol", "word"))


_TEMPERATURES = {
    "°C": (
        ("{}°C", "{} °C", "{} C", "{}C", "{} ºC"),
        ("{} degrees Celsius", "{} Celsius", "{} celsius", "{}° Celsius"),
    ),
    "°F": (("{}°F", "{} °F", "{} F", "{}F", "{} ºF"), ("{} degrees Fahrenheit", "{} Fahrenheit", "{}° Fahrenheit")),
}
_SPELLED = {"m²": ("m2", "sq m", "m^2"), "cm²": ("cm2", "cm^2"), "km²": ("km2", "km^2"), "m³": ("m3", "m^3"), "l": ("L",), "ml": ("mL",),
            "h": ("hr", "hrs"), "s": ("sec",), "km/h": ("kph", "kmh"), "kB": ("KB",), "byte": ("B",)}  # fmt: skip


def _quantity(source: Source, amount: str, unit: Unit, form: str) -> str:
    if unit.symbol in _TEMPERATURES:
        return source.rng.choice(_TEMPERATURES[unit.symbol][form == "word"]).format(amount)
    if form == "symbol":
        if unit.symbol in "$€£":
            return f"{unit.symbol}{amount}"
        if unit.plural_symbol:
            return unit.of(amount)
        symbol = unit.symbol
        if symbol in _SPELLED and source.chance(0.2):
            symbol = source.rng.choice(_SPELLED[symbol])
        return f"{amount}{symbol}" if source.chance(0.3) else f"{amount} {symbol}"
    singular, plural = source.rng.choice(unit.names)
    return f"{amount} {singular if amount == '1' else plural}"


def _name(source: Source, unit: Unit, form: str) -> str:
    if unit.symbol in _TEMPERATURES:
        texts = _TEMPERATURES[unit.symbol][form == "word"]
        return source.rng.choice(texts).replace("{}°", "°").replace("{}", "").strip().replace("° ", "")
    if form == "symbol" and unit.symbol not in "$€£":
        if unit.symbol in _SPELLED and source.chance(0.15):
            return source.rng.choice(_SPELLED[unit.symbol])
        return unit.plural_symbol or unit.symbol
    return source.rng.choice(unit.names)[1]


# -- the check of the work ----------------------------------------------------------------------------------------------

_KNOWN = {(big.symbol, small.symbol): Fraction(factor) for big, small, factor in FACTORS}
_KNOWN |= {(first, second): Fraction(factor) for first, second, factor in _BY_DECIMAL}
_KNOWN[("dozen", "1")] = Fraction(12)


def _value_in(amount: Fraction, one: str, other: str) -> Fraction:
    if (one, other) == ("°C", "°F"):
        return amount * 9 / 5 + 32
    if (one, other) == ("°F", "°C"):
        return (amount - 32) * 5 / 9
    return amount * _KNOWN[one, other] if (one, other) in _KNOWN else amount / _KNOWN[other, one]


def check(problem: Problem) -> str | None:
    """The rule is right, the lines between are right and arrive at the value, and the answer gives it with its unit."""
    rule, *work, last = problem.thinking.split("\n")
    if last != problem.answer:
        return f"the last line '{last}' is not the answer '{problem.answer}'"
    given, _, wanted = problem.keys[0].partition(":")[2].partition(">")
    parts = given.split(" ")
    parts = parts if len(parts) > 1 else [*parts, "1"]
    small = parts[3] if len(parts) == 4 else wanted.partition(",")[2]
    if small:  # two units: everything in the smaller one
        big = parts[1] if len(parts) == 4 else wanted.partition(",")[0]
        total = sum(
            _value_in(Fraction(n), unit, small) if unit != small else Fraction(n)
            for n, unit in zip(parts[::2], parts[1::2])
        )
        expected = [total] if len(parts) == 4 else [total // _KNOWN[big, small], total % _KNOWN[big, small]]
        names = [small] if len(parts) == 4 else [big, small]
    else:
        big, small = (parts[1], wanted) if (parts[1], wanted) in _KNOWN else (wanted, parts[1])
        expected, names = [_value_in(Fraction(parts[0]), parts[1], wanted)], [wanted]
    stated = re.fullmatch(r"(?:[$€£]1|1 \S+) = ([\d.]+)(?: \S+)?", rule)
    if stated and Fraction(stated[1]) != _KNOWN[big, small]:
        return f"'{rule}' is not so"
    if not stated and rule not in ("°F = °C*9/5+32", "°C = (°F-32)*5/9"):
        return f"'{rule}' is no rule"
    found = read_work(work)
    shifted = re.fullmatch(r"[\d.]+[*/][\d.]+=(\d+[*/]\d+)(?:/\d+)?", work[0] if work else "")
    if shifted:  # the same calculation with whole numbers
        found = found[1:]
        if not found or sorted(re.findall(r"\d+", found[0].text)) != sorted(re.findall(r"\d+", shifted[1])):
            return f"'{work[1]}' is not what '{work[0]}' asks for"
    begins_with = re.findall(r"-?\d+(?:\.\d+)?", work[0]) if work else []
    if not found or parts[0] not in begins_with or (stated and stated[1] not in begins_with):
        return f"the work does not begin with {parts[0]}" + (f" and {stated[1]}" if stated else "")
    if len(parts) == 4 and len(found) != 2:
        return "a product and a sum are needed"
    if wanted in ("°C", "°F"):
        steps = [re.findall(r"\d+(?:\.\d+)?", calculation.text) for calculation in found]
        constants = ("9", "5", "32") if wanted == "°F" else ("32", "5", "9")
        if len(steps) != 3 or not all(constant in step for constant, step in zip(constants, steps)):
            return f"the work does not follow '{rule}'"
    said = re.findall(r"-?\d+(?:\.\d+)?", problem.answer)
    if [Fraction(text) for text in said] != expected:
        return f"'{problem.answer}' should be {expected}"
    for name in names:
        unit = UNITS.get(name)
        if unit and unit.symbol not in problem.answer and unit.plural_symbol not in problem.answer.split(" "):
            return f"'{problem.answer}' lacks the unit {name}"
    reached = found[-1].value if len(expected) == 1 else None
    if reached is not None and abs(reached) != abs(expected[0]):
        return f"the work arrives at {reached}, not {expected[0]}"
    if len(expected) == 2 and found[-1].remainder and [found[-1].value, found[-1].remainder] != expected:
        return f"the work arrives at {found[-1]}, not {expected}"
    return _check_chain(found)


def _check_chain(found) -> str | None:
    """Each calculation goes on from the value before it, whose sign may be left for the last line."""
    for before, after in zip(found, found[1:]):
        numbers = [abs(Fraction(text)) for text in re.findall(r"\d+(?:\.\d+)?", after.text)]
        if abs(before.value) not in numbers and evaluate(after.text) != before.value:
            return f"{after.text} does not go on from {before.text}, which is {before.value}"
    return None


FAMILIES = {"unit": conversion}
CHECKS = {"unit": check}
