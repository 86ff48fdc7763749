"""The tools that callers offer: what each kind is called, its parameters, and what one might ask of it."""

from __future__ import annotations

from dataclasses import dataclass

from families.tool_slots import (
    MODES,
    OPERATIONS,
    OPERATION_NAMES,
    draw_climate,
    draw_expression,
    draw_place,
    draw_units,
)


@dataclass(frozen=True)
class Param:
    """A parameter: its slot, the names it may have, its type, a few words about it, whether it must be given."""

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


def place(required: bool) -> Param:
    return Param("place", ("city", "location", "place", "town"), "string", _PLACE_ABOUT, required)


def _zone(required: bool) -> Param:
    return Param(
        "place",
        ("timezone", "time_zone", "tz", "zone"),
        "string",
        ("Time zone or city", "Timezone"),
        required,
    )


def simple(slot: str, names: str, type: str, *about: str, required: bool = True, enum: tuple = ()) -> Param:
    return Param(slot, tuple(names.split()), type, about, required, enum)


ROOM = simple("room", "room room zone location area", "string", "Name of the room", "Which room")
_ROOM_IF_SAID = simple(
    "room", "room room zone area", "string", "Name of the room", "Which room", required=False
)
_DEGREES_PARAM = simple(
    "degrees",
    "temperature temperature celsius degrees target setpoint temp",
    "number",
    "Target temperature",
    "Degrees",
)
_MODE = simple("mode", "mode", "string", "Mode", "How", enum=MODES)
_MODE_IF_SAID = simple("mode", "mode", "string", "Mode", "How", required=False, enum=MODES)


def kind(groups, phrases, names, about, forms, slots, is_action=False, operation="") -> Kind:
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
    kind(
        "+ - * /",
        "calc",
        "calculator calculator calculate calc evaluate math compute eval_expression arithmetic "
        "do_math calculate_expression",
        "Evaluate an arithmetic expression|Calculates|A calculator|"
        "Computes the value of an expression|Does arithmetic|"
        "Evaluates a mathematical expression and returns the result|Use this for calculations",
        [(_EXPRESSION,)],
        draw_expression,
    ),
    kind(
        "+ - * /",
        "calc both",
        "calculator calc calculate arithmetic math compute operate math_operation basic_calculator",
        "Calculates with two numbers|Add, subtract, multiply or divide two numbers|"
        "Basic arithmetic|A simple calculator",
        [(_A, _B, _OP_SIGN), (_A, _OP_SIGN, _B), (_OP_SIGN, _A, _B), (_A, _B, _OP_NAME), (_OP_NAME, _A, _B)],
        lambda rng: draw_expression(rng, rng.choice(OPERATIONS)),
    ),
)
SINGLE_CALCULATORS = tuple(
    kind(
        operation,
        f"calc {operation}",
        names,
        about,
        [(_A, _B)],
        lambda rng, operation=operation: draw_expression(rng, operation),
        operation=operation,
    )
    for operation, names, about in (
        (
            "+",
            "add add_numbers sum plus addition",
            "Adds two numbers|Sum of two numbers|a plus b|Add a and b",
        ),
        (
            "-",
            "subtract minus difference subtract_numbers",
            "Subtracts two numbers|a minus b|Difference of two numbers",
        ),
        (
            "*",
            "multiply times product multiply_numbers mul",
            "Multiplies two numbers|Product of two numbers|a times b",
        ),
        (
            "/",
            "divide quotient divide_numbers division div",
            "Divides two numbers|a divided by b|Quotient of two numbers",
        ),
    )
)
UNIT_CONVERTER = kind(
    "unit",
    "unit",
    "unit_converter unit_converter convert_units convert_unit convert converter units "
    "unit_conversion measure_converter",
    "Converts units|Convert a value from one unit to another|Unit converter|"
    "Converts between units of measurement|"
    "Convert lengths, weights and other units",
    [
        (
            simple("value", value, "number", "Value to convert", "Amount"),
            simple("source", source, "string", "Unit to convert from", "Source unit"),
            simple("target", target, "string", "Unit to convert to", "Target unit"),
        )
        for value, source, target in (
            ("value", "from_unit", "to_unit"),
            ("value", "from_unit", "to_unit"),
            ("value", "from", "to"),
            ("amount", "from", "to"),
            ("quantity", "source_unit", "target_unit"),
            ("number", "unit_from", "unit_to"),
            ("value", "source", "target"),
            ("x", "from_unit", "to_unit"),
            ("value", "unit", "target_unit"),
            ("amount", "from_units", "to_units"),
        )
    ],
    draw_units,
)
CLOCK = kind(
    "clock",
    "clock",
    "clock clock get_time get_current_time current_time time_now now time world_clock get_clock tell_time",
    "Returns the current time|Tells the time|Current time|The time of day|Get the time now|A clock",
    [(), (), (place(True),), (place(False),), (_zone(True),), (_zone(False),)],
    draw_place,
)
THERMOSTAT = kind(
    "thermostat",
    "thermostat",
    "thermostat thermostat set_temperature set_thermostat set_heating heating climate_control "
    "adjust_temperature set_temp",
    "Sets the thermostat|Sets the room temperature|Controls the heating|Set the target temperature|"
    "Adjusts heating and cooling|"
    "Changes the temperature of a room",
    [
        (_DEGREES_PARAM,),
        (ROOM, _DEGREES_PARAM),
        (ROOM, _DEGREES_PARAM),
        (_DEGREES_PARAM, ROOM),
        (_DEGREES_PARAM, _ROOM_IF_SAID),
        (_DEGREES_PARAM, _MODE),
        (_DEGREES_PARAM, _MODE_IF_SAID),
        (_ROOM_IF_SAID, _DEGREES_PARAM, _MODE_IF_SAID),
    ],
    draw_climate,
    is_action=True,
)
