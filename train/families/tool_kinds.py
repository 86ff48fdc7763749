"""The tools that callers offer: what each kind is called and described, its parameters, and what a person might ask of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
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
        "New York|Los Angeles|San Francisco|Rio de Janeiro|Buenos Aires|Mexico City|Cape Town|Hong Kong|Tel Aviv|Abu Dhabi|"
        "Dubai|Sydney|Perth|Auckland|Honolulu|Anchorage|Reykjavik|Kathmandu|Dallas|Miami|Phoenix|Vancouver|Calgary|Vienna|"
        "Brussels|Amsterdam|Copenhagen|Jakarta|Hanoi|Taipei|Riyadh|Doha|Tehran|Karachi|Santiago|Caracas|Quito|La Paz|UTC|"
        "Europe/Berlin|America/New_York|Asia/Tokyo|Europe/Paris|Asia/Kolkata|GMT|CET|EST|my home town|Salzburg|Basel|Utrecht"
    ).split("|")
)
ROOMS = (
    "living room|bedroom|kitchen|bathroom|office|hall|hallway|kids room|nursery|garage|cellar|basement|attic|dining room|"
    "guest room|study|workshop|lab|server room|greenhouse|classroom|lobby|library|gym|studio|meeting room|warehouse|"
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
    "I am late|I will be home at eight|dinner is ready|the meeting is cancelled|please call me back|happy birthday|"
    "we need milk|the train is late|I love you|see you tomorrow|the report is done|thank you for the gift|I am ill today|"
    "the key is under the mat|good luck|the {noun} is {adjective}|I found the {noun}|please bring the {noun}|"
    "we have no {noun}|my {noun} is broken|don't forget the {noun}|the {plural} are here|I can't {verb} today"
).split("|")
TODOS = (
    "call mum|water the plants|buy milk|feed the cat|take my pills|pay the rent|go to the dentist|clean the {noun}|"
    "{verb} the {noun}|buy {plural}|write to {first}|call {first}|pick up the {noun}|charge the phone"
).split("|")
SONGS = (
    "Yesterday|Imagine|Für Elise|Let it be|Jingle Bells|Hey Jude|Thriller|Africa|Wonderwall|the radio|some jazz|"
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


@dataclass(frozen=True)
class Param:
    """A parameter: the slot it takes, the names it may have, its type, a few words about it, whether it must be given."""

    slot: str
    names: tuple[str, ...]
    type: str
    about: tuple[str, ...]
    required: bool = True
    enum: tuple = ()


@dataclass(frozen=True)
class Kind:
    """A kind of tool. Kinds that share a group are never offered together, since both would fit."""

    groups: frozenset[str]
    phrases: str  # section of phrases/tool.txt
    names: tuple[str, ...]
    about: tuple[str, ...]
    forms: tuple[tuple[Param, ...], ...]
    slots: object  # function rng -> Slots
    is_action: bool = False
    operation: str = ""  # of a calculator that knows one


def decimal_text(value: Decimal, places: int = 4) -> str:
    """Without superfluous zeros, rounded half up: 8.0467, 12."""
    text = f"{value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Number(str):
    """Digits as they stand in JSON: the number that the person said, digit for digit."""


def _pick(rng: random.Random, items) -> tuple[str, str]:
    item = rng.choice(items)
    return item, item


def _fill(rng: random.Random, texts) -> tuple[str, str]:
    """A text whose {slots} are common words."""
    text = rng.choice(texts)
    while "{" in text:
        before, _, rest = text.partition("{")
        slot, _, after = rest.partition("}")
        text = before + rng.choice(FILLERS[slot]) + after
    return text, text


def _whole(rng: random.Random, low: int, high: int) -> tuple[str, Number]:
    text = str(rng.randint(low, high))
    return text, Number(text)


def _amount(rng: random.Random) -> tuple[str, Number]:
    kind = rng.random()
    if kind < 0.7:
        digits = rng.randint(1, 4)
        text = str(rng.randint(1 if digits == 1 else 10 ** (digits - 1), 10**digits - 1))
    else:
        text = f"{rng.randint(0, 400)}.{rng.choice(('5', '5', '25', '75', str(rng.randint(1, 9)), str(rng.randint(1, 9))))}"
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
    value = _amount(rng)
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
        place = _pick(rng, PLACES)
    return {"place": place, "day": _pick(rng, FILLERS["day"] + ["today", "tomorrow", "tomorrow"])}


def draw_climate(rng: random.Random) -> Slots:
    kind = rng.random()
    text = str(rng.randint(5, 32) if kind < 0.75 else rng.randint(55, 90)) + (
        ".5" if rng.random() < 0.15 else ""
    )
    return {"degrees": (text, Number(text)), "room": _pick(rng, ROOMS), "mode": _pick(rng, MODES)}


def _clock_text(rng: random.Random) -> tuple[str, str]:
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


def _random_range(rng: random.Random) -> Slots:
    low = rng.randint(0, 50)
    return {"low": (str(low), Number(low)), "high": _whole(rng, low + 1, low + 1000)}


_EXPRESSION = Param(
    "e",
    ("expression", "expression", "expression", "expr", "formula", "input", "term"),
    "string",
    ("The expression to evaluate", "Arithmetic expression", "e.g. 2 + 3", "Math expression"),
)
# The names of a calculator's two numbers, which go together.
OPERAND_NAMES = ("a b", "a b", "x y", "first second", "left right", "num1 num2", "number1 number2", "n m")
_A = Param("a", tuple(pair.split()[0] for pair in OPERAND_NAMES), "number", ("First number", "Left operand"))
_B = Param(
    "b", tuple(pair.split()[1] for pair in OPERAND_NAMES), "number", ("Second number", "Right operand")
)
_OP = ("op", "operation", "operator")
_OP_SIGN = Param("op", _OP, "string", ("Operator", "What to do"), enum=OPERATIONS)
_OP_NAME = Param("op", _OP, "string", ("Operation", "What to do"), enum=tuple(OPERATION_NAMES.values()))
_PLACE_ABOUT = ("Name of the city", "City", "Place", "Where")


def _place(required: bool) -> Param:
    return Param("place", ("city", "location", "place", "town"), "string", _PLACE_ABOUT, required)


def _zone(required: bool) -> Param:
    return Param(
        "place",
        ("timezone", "time_zone", "tz", "zone"),
        "string",
        ("Time zone or city", "Timezone"),
        required,
    )


def _simple(slot: str, names: str, kind: str, *about: str, required: bool = True, enum: tuple = ()) -> Param:
    return Param(slot, tuple(names.split()), kind, about, required, enum)


_ROOM = _simple("room", "room room zone location area", "string", "Name of the room", "Which room")
_ROOM_IF_SAID = _simple(
    "room", "room room zone area", "string", "Name of the room", "Which room", required=False
)
_DEGREES_PARAM = _simple(
    "degrees",
    "temperature temperature celsius degrees target setpoint temp",
    "number",
    "Target temperature",
    "Degrees",
)
_MODE = _simple("mode", "mode", "string", "Mode", "How", enum=MODES)
_MODE_IF_SAID = _simple("mode", "mode", "string", "Mode", "How", required=False, enum=MODES)
_ON_OFF = ("on", "off")


def _kind(groups, phrases, names, about, forms, slots, is_action=False, operation="") -> Kind:
    return Kind(
        frozenset(groups.split()),
        phrases,
        tuple(names.split()),
        tuple(about.split("|")),
        tuple(forms),
        slots,
        is_action,
        operation,
    )


CALCULATORS = (
    _kind(
        "+ - * /", "calc",
        "calculator calculator calculate calc evaluate math compute eval_expression arithmetic do_math calculate_expression",
        "Evaluate an arithmetic expression|Calculates|A calculator|Computes the value of an expression|Does arithmetic|"
        "Evaluates a mathematical expression and returns the result|Use this for calculations",
        [(_EXPRESSION,)], draw_expression,
    ),
    _kind(
        "+ - * /", "calc both", "calculator calc calculate arithmetic math compute operate math_operation basic_calculator",
        "Calculates with two numbers|Add, subtract, multiply or divide two numbers|Basic arithmetic|A simple calculator",
        [(_A, _B, _OP_SIGN), (_A, _OP_SIGN, _B), (_OP_SIGN, _A, _B), (_A, _B, _OP_NAME), (_OP_NAME, _A, _B)],
        lambda rng: draw_expression(rng, rng.choice(OPERATIONS)),
    ),
)  # fmt: skip
SINGLE_CALCULATORS = tuple(
    _kind(operation, f"calc {operation}", names, about, [(_A, _B)],
          lambda rng, operation=operation: draw_expression(rng, operation), operation=operation)
    for operation, names, about in (
        ("+", "add add_numbers sum plus addition", "Adds two numbers|Sum of two numbers|a plus b|Add a and b"),
        ("-", "subtract minus difference subtract_numbers", "Subtracts two numbers|a minus b|Difference of two numbers"),
        ("*", "multiply times product multiply_numbers mul", "Multiplies two numbers|Product of two numbers|a times b"),
        ("/", "divide quotient divide_numbers division div", "Divides two numbers|a divided by b|Quotient of two numbers"),
    )
)  # fmt: skip
UNIT_CONVERTER = _kind(
    "unit", "unit",
    "unit_converter unit_converter convert_units convert_unit convert converter units unit_conversion measure_converter",
    "Converts units|Convert a value from one unit to another|Unit converter|Converts between units of measurement|"
    "Convert lengths, weights and other units",
    [
        (
            _simple("value", value, "number", "Value to convert", "Amount"),
            _simple("source", source, "string", "Unit to convert from", "Source unit"),
            _simple("target", target, "string", "Unit to convert to", "Target unit"),
        )
        for value, source, target in (
            ("value", "from_unit", "to_unit"), ("value", "from_unit", "to_unit"), ("value", "from", "to"), ("amount", "from", "to"),
            ("quantity", "source_unit", "target_unit"), ("number", "unit_from", "unit_to"), ("value", "source", "target"),
            ("x", "from_unit", "to_unit"), ("value", "unit", "target_unit"), ("amount", "from_units", "to_units"),
        )
    ],
    draw_units,
)  # fmt: skip
CLOCK = _kind(
    "clock", "clock",
    "clock clock get_time get_current_time current_time time_now now time world_clock get_clock tell_time",
    "Returns the current time|Tells the time|Current time|The time of day|Get the time now|A clock",
    [(), (), (_place(True),), (_place(False),), (_zone(True),), (_zone(False),)], draw_place,
)  # fmt: skip
THERMOSTAT = _kind(
    "thermostat", "thermostat",
    "thermostat thermostat set_temperature set_thermostat set_heating heating climate_control adjust_temperature set_temp",
    "Sets the thermostat|Sets the room temperature|Controls the heating|Set the target temperature|Adjusts heating and cooling|"
    "Changes the temperature of a room",
    [
        (_DEGREES_PARAM,), (_ROOM, _DEGREES_PARAM), (_ROOM, _DEGREES_PARAM), (_DEGREES_PARAM, _ROOM), (_DEGREES_PARAM, _ROOM_IF_SAID),
        (_DEGREES_PARAM, _MODE), (_DEGREES_PARAM, _MODE_IF_SAID), (_ROOM_IF_SAID, _DEGREES_PARAM, _MODE_IF_SAID),
    ],
    draw_climate, is_action=True,
)  # fmt: skip
_PERSON_NAMES = "to recipient name person contact"
OTHERS = (
    _kind(
        "weather", "weather", "weather get_weather weather_forecast forecast current_weather get_weather_updates",
        "Weather of a city|Gets the weather|Weather forecast|Current weather",
        [(_place(True),), (_place(True), _simple("day", "day date when", "string", "Day", required=False))], draw_place,
    ),
    _kind(
        "timer alarm", "timer", "timer set_timer start_timer countdown", "Starts a timer|Sets a timer|Countdown in minutes",
        [(_simple("minutes", "minutes duration minutes length", "integer", "Minutes"),)],
        lambda rng: {"minutes": _whole(rng, 1, 120)}, is_action=True,
    ),
    _kind(
        "alarm timer reminder", "alarm", "alarm set_alarm alarm_clock wake_up", "Sets an alarm|Alarm clock|Wakes the user",
        [(_simple("time", "time at", "string", "Time of the alarm"),)], lambda rng: {"time": _clock_text(rng)}, is_action=True,
    ),
    _kind(
        "light", "light", "light set_light lamp switch_light lights light_switch", "Switches a light|Turns a lamp on or off|Lights",
        [(_ROOM, _simple("switch", "state switch power status", "string", "on or off", enum=_ON_OFF)),
         (_simple("switch", "state switch power", "string", "on or off", enum=_ON_OFF), _ROOM)],
        lambda rng: {"room": _pick(rng, ROOMS), "switch": _pick(rng, _ON_OFF)}, is_action=True,
    ),
    _kind(
        "light", "dim", "dimmer set_brightness dim_light brightness", "Dims a light|Brightness of a lamp",
        [(_ROOM, _simple("percent", "percent brightness level", "integer", "0 to 100"))],
        lambda rng: {"room": _pick(rng, ROOMS), "percent": _whole(rng, 0, 100)}, is_action=True,
    ),
    _kind(
        "door", "door", "door set_door door_control lock control_door gate", "Opens, closes, locks doors|Door control|Moves a door",
        [(_simple("door", "door name which", "string", "Which door"),
          _simple("action", "action command do", "string", "What to do", enum=("open", "close", "lock", "unlock")))],
        lambda rng: {"door": _pick(rng, DOORS), "action": _pick(rng, ("open", "close", "lock", "unlock"))}, is_action=True,
    ),
    _kind(
        "stock", "stock", "stock stock_price get_stock_price quote get_quote", "Price of a share|Stock price|Gets a stock quote",
        [(_simple("symbol", "symbol ticker stock", "string", "Ticker symbol", "Stock symbol"),)],
        lambda rng: {"symbol": _pick(rng, SYMBOLS)},
    ),
    _kind(
        "message", "message", "email send_email send_message message sms send_sms", "Sends a message|Sends an email|Write to someone",
        [(_simple("person", _PERSON_NAMES, "string", "Who gets it"), _simple("text", "text body message content", "string", "Text")),
         (_simple("text", "text body message", "string", "The text"), _simple("person", _PERSON_NAMES, "string", "Receiver"))],
        lambda rng: {"person": _pick(rng, FILLERS["first"]), "text": _fill(rng, TEXTS)}, is_action=True,
    ),
    _kind(
        "music", "music", "music play_music play_song play player", "Plays music|Plays a song|Music player",
        [(_simple("song", "song title track name query", "string", "What to play"),)],
        lambda rng: {"song": _fill(rng, SONGS)}, is_action=True,
    ),
    _kind(
        "search", "search", "search web_search search_web google lookup", "Searches the web|Web search|Finds pages",
        [(_simple("topic", "query q text search_term", "string", "What to search"),)], lambda rng: {"topic": _fill(rng, TOPICS)},
    ),
    _kind(
        "translate", "translate", "translate translator translate_text", "Translates a text|Translation|Translates words",
        [(_simple("word", "text word input", "string", "Text to translate"),
          _simple("language", "language to target target_language", "string", "Language", "Target language"))],
        lambda rng: {"word": _fill(rng, WORDS), "language": _pick(rng, FILLERS["language"])},
    ),
    _kind(
        "currency", "currency", "currency_converter convert_currency exchange exchange_rate", "Converts money|Converts currencies",
        [(_simple("amount", "amount value", "number", "Amount of money"), _simple("source", "from from_currency", "string", "From"),
          _simple("target", "to to_currency", "string", "To"))],
        lambda rng: dict(zip(("amount", "source", "target"), (_amount(rng), *((c, c) for c in rng.sample(CURRENCIES, 2))))),
    ),
    _kind(
        "reminder alarm", "reminder", "reminder add_reminder remind set_reminder", "Sets a reminder|Reminds the user|Reminders",
        [(_simple("todo", "text task what title", "string", "What to do"), _simple("time", "time at when", "string", "When"))],
        lambda rng: {"todo": _fill(rng, TODOS), "time": _clock_text(rng)}, is_action=True,
    ),
    _kind(
        "order", "order", "order_status get_order track_order order track", "Status of an order|Tracks an order|Looks up an order",
        [(_simple("id", "order_id id number order", "string", "Order number"),)], draw_order,
    ),
    _kind(
        "sensor", "sensor", "sensor read_sensor get_sensor sensor_value", "Reads a sensor|Value of a sensor|Sensor reading",
        [(_simple("id", "id sensor_id sensor name", "string", "Which sensor"),)], draw_order,
    ),
    _kind(
        "machine light speed", "machine", "machine set_machine switch power_switch relay", "Switches a machine on or off|Turns machines on and off",
        [(_simple("machine", "machine device name", "string", "Which machine"),
          _simple("switch", "state power switch", "string", "on or off", enum=_ON_OFF))],
        lambda rng: {"machine": _pick(rng, MACHINES), "switch": _pick(rng, _ON_OFF)}, is_action=True,
    ),
    _kind(
        "speed machine", "speed", "set_speed speed control_speed set_level", "Sets the speed of a machine|Level of a machine",
        [(_simple("machine", "machine device name", "string", "Which machine"),
          _simple("level", "level speed value", "integer", "Speed level"))],
        lambda rng: {"machine": _pick(rng, MACHINES), "level": _whole(rng, 0, 100)}, is_action=True,
    ),
    _kind(
        "random", "random", "random random_number rand dice", "Random number in a range|Draws a random number",
        [(_simple("low", "min low from", "integer", "Smallest"), _simple("high", "max high to", "integer", "Largest"))], _random_range,
    ),
    _kind(
        "contact", "contact", "contacts find_contact phone_book get_contact", "Finds a phone number|Phone book|Contacts",
        [(_simple("person", "name person contact", "string", "Name"),)], lambda rng: {"person": _pick(rng, FILLERS["first"])},
    ),
    _kind(
        "list", "list", "shopping_list add_item add_to_list list", "Adds to the shopping list|Shopping list",
        [(_simple("thing", "item thing name", "string", "What to buy"),)],
        lambda rng: {"thing": _fill(rng, ("{plural}", "{noun}", "{noun}", "{adjective} {noun}", "{noun} and {noun}"))}, is_action=True,
    ),
    _kind(
        "robot", "robot", "move robot move_robot drive walk", "Moves the robot|Drives a robot|Movement",
        [(_simple("direction", "direction way", "string", "Where to"), _simple("distance", "distance steps", "integer", "How far")),
         (_simple("distance", "distance steps", "integer", "How far"), _simple("direction", "direction way", "string", "Where to"))],
        lambda rng: {"direction": _pick(rng, DIRECTIONS), "distance": _whole(rng, 1, 99)}, is_action=True,
    ),
)  # fmt: skip
ALL_KINDS = (*CALCULATORS, *SINGLE_CALCULATORS, UNIT_CONVERTER, CLOCK, THERMOSTAT, *OTHERS)
