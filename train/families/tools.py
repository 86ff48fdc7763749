"""Tool calls and answers in JSON: families `tool` and `json`.

A caller offers tools as a JSON list in the system message. The assistant chooses the one that fits, copies its
arguments from the question, and after the tool's answer says the result; where none fits it answers itself, or refuses.
"""

from __future__ import annotations

import json
import random
import re
import string
from decimal import Decimal, DivisionByZero, InvalidOperation

from families.refusals import FILLERS, REFUSAL, REFUSAL_WORK, training_question
from families.other_tools import ALL_KINDS, OTHERS, invented_kind
from families.tool_checks import check_tool
from families.tool_kinds import (
    CALCULATORS,
    CLOCK,
    OPERAND_NAMES,
    SINGLE_CALCULATORS,
    THERMOSTAT,
    UNIT_CONVERTER,
)
from families.tool_kinds import Kind, Param
from families.tool_slots import OPERATION_NAMES, Number, Slots, converted, decimal_text
from phrasings import load_phrasings
from problem import Problem, Source

_PHRASES = load_phrasings("tool")
_SYSTEM = load_phrasings("system")
_RIGHT_KINDS = (
    *[CALCULATORS[0]] * 24, *[CALCULATORS[1]] * 8, *SINGLE_CALCULATORS * 2, *[UNIT_CONVERTER] * 17, *[CLOCK] * 12,
    *[THERMOSTAT] * 14, *OTHERS,
)  # fmt: skip
_MAIN_KINDS = (*CALCULATORS, UNIT_CONVERTER, CLOCK, THERMOSTAT)
# Offered with questions that no tool answers: nothing there can be mistaken for their answer.
_HARMLESS_KINDS = tuple(
    kind
    for kind in ALL_KINDS
    if kind in _MAIN_KINDS and kind is not CLOCK or kind.phrases in ("sensor", "robot", "order", "dim")
)
# Questions of these words might be put to a calculator or a converter.
_CALCULABLE = re.compile(
    r"sqrt|root|log|sin|cos|tan|ln|exp|prime|!|dollar|euro|degree|onvert|alcul|nteg|deriv|olve|"
    r"xpand|simpl|=|\+|roman|hexa|"
    r"binary|percent|divide|plus|minus|times|infinity|d/dx|lim|sensor|order|move|temperature|warm|"
    r"cold|light|digits|factor",
    re.IGNORECASE,
)
# Families whose questions the model answers itself although tools are offered, and the tools that would fit instead.
_DIRECT = {
    "add": "+", "sub": "+", "mul": "+", "div": "+", "percent": "+", "fraction": "+", "equation": "+", "system": "+", "word": "+",
    "unit": "unit", "compare": "", "sort": "", "order": "", "truth": "", "rule": "",
}  # fmt: skip


def _fields(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)


_FIELDS = {
    template: _fields(template)
    for splits in _PHRASES.values()
    for templates in splits
    for template in templates
}


def _fitting(phrases: str, form: tuple[Param, ...], derived: frozenset[str]) -> tuple[list[str], list[str]]:
    """The phrasings of both splits that say what this form needs, and nothing that it can't take."""
    needed = {param.slot for param in form if param.required} - derived
    known = {param.slot for param in form} | derived
    return tuple([t for t in split if needed <= _FIELDS[t] <= known] for split in _PHRASES[phrases])


def _fitting_by_form(kind: Kind) -> dict:
    if kind.phrases.startswith("calc"):
        return {}
    result = {form: _fitting(kind.phrases, form, frozenset()) for form in kind.forms}
    for form, splits in result.items():
        if not all(splits):
            raise ValueError(
                f"phrases/tool.txt: [{kind.phrases}] has nothing for {[p.slot for p in form]} in both splits"
            )
    return result


_FITTING = {kind: _fitting_by_form(kind) for kind in ALL_KINDS}


def _calculator_question(kind: Kind, slots: Slots, source: Source) -> str:
    """{e} as it is, or a phrase of the one operation: "Add 3 to 4"."""
    section = "calc"
    if "op" in slots and source.chance(0.5 if kind is CALCULATORS[1] or kind.operation else 0.35):
        section = f"calc {slots['op'][0]}"
    return source.phrase(*_PHRASES[section]).format(**{name: said for name, (said, _) in slots.items()})


def _say(template: str, slots: Slots, rng: random.Random) -> str:
    said = {name: text for name, (text, _) in slots.items()}
    if template.startswith("{"):  # a sentence's first word
        first = template[1 : template.index("}")]
        if rng.random() < 0.5:
            said[first] = said[first][:1].upper() + said[first][1:]
    return template.format(**said)


_BEFORE_NAMES = "do run call my api home user exec fn tool the app svc office auto use x new hub v2 core".split()
_BEHIND_NAMES = "tool function fn api v2 v3 service now helper call action handler 1 2 task cmd request op".split()


def _renamed(name: str, rng: random.Random) -> str:
    """A name as some other caller's program has it: home_set_light, set_light_v2, setLight, light.set."""
    kind = rng.random()
    if kind < 0.3:
        return f"{rng.choice(_BEFORE_NAMES)}_{name}"
    if kind < 0.6:
        return f"{name}_{rng.choice(_BEHIND_NAMES)}"
    if kind < 0.7:
        return f"{rng.choice(_BEFORE_NAMES)}.{name}"
    if kind < 0.8:
        return f"{name}_{rng.choice(FILLERS['noun'])}"
    first, *rest = name.split("_")
    if kind < 0.9:
        return first + "".join(word.capitalize() for word in rest)
    return "".join(word.capitalize() for word in (first, *rest)) if kind < 0.95 else name.replace("_", "-")


class Offered:
    """One tool as a caller describes it: a name, a description and parameters of its kind."""

    def __init__(self, kind: Kind, rng: random.Random, any_name: bool = False):
        self.kind = kind
        self.name = rng.choice(kind.names)
        if any_name and rng.random() < 0.3:
            self.name = _renamed(self.name, rng)
        self.form = rng.choice(kind.forms)
        self.about = rng.choice(kind.about)
        pair = rng.randrange(
            len(OPERAND_NAMES)
        )  # of the names of a calculator's two numbers: a with b, x with y
        self.params: list[str] = []
        for param in self.form:
            if param.slot in ("a", "b"):
                self.params.append(param.names[pair])
            else:
                self.params.append(rng.choice([name for name in param.names if name not in self.params]))

    def question(self, slots: Slots, source: Source) -> tuple[str, frozenset[str]]:
        """What a person says, and which slots that fills."""
        if self.kind.phrases.startswith("calc"):
            return _calculator_question(self.kind, slots, source), frozenset(slots)
        if self.kind.phrases.startswith("invented"):
            template = source.phrase(*_PHRASES[self.kind.phrases])
        else:
            template = source.phrase(*_FITTING[self.kind][self.form])
        return _say(template, slots, source.rng), _FIELDS[template]

    def call(self, slots: Slots, filled: frozenset[str]) -> str:
        """{"name": ..., "arguments": {...}} with the arguments that the question filled, in the parameters' order."""
        arguments = []
        for param, name in zip(self.form, self.params):
            if param.slot in filled:
                value = slots[param.slot][1]
                if param.slot == "op" and param.enum[0] == "add":
                    value = OPERATION_NAMES[value]
                arguments.append(f'"{name}": {_json_value(value)}')
        return f'{{"name": "{self.name}", "arguments": {{{", ".join(arguments)}}}}}'

    def schema(self, style: "SchemaStyle", integers: bool) -> dict:
        rng = style.rng
        properties = {}
        for param, name in zip(self.form, self.params):
            kind = "integer" if integers and param.type == "number" else param.type
            entry: dict = {"type": style.type_name(kind)}
            if param.enum and style.is_flat:
                entry["description"] = rng.choice((", ", " | ", " or ")).join(param.enum)
            elif style.describes:
                entry["description"] = rng.choice(param.about)
            if param.enum and not style.is_flat:
                entry["enum"] = list(param.enum)
            properties[name] = style.ordered(entry)
        function: dict = {"name": self.name, "description": self.about}
        if style.is_flat:  # as in the model card of Phi-4-mini
            function["parameters"] = properties
            return style.ordered(function)
        parameters: dict = {"type": "object", "properties": properties}
        required = [name for param, name in zip(self.form, self.params) if param.required]
        if required or rng.random() < 0.3:
            parameters["required"] = required
        function["parameters"] = parameters
        if not properties and rng.random() < 0.3:
            del function["parameters"]
        if style.is_wrapped:
            return {"type": "function", "function": style.ordered(function)}
        return style.ordered(function)


class SchemaStyle:
    """How one caller writes schemas: all its tools look alike."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        shape = rng.random()
        self.is_flat = shape < 0.25
        self.is_wrapped = shape > 0.65
        self.describes = rng.random() < 0.3
        self.is_compact = rng.random() < 0.5
        self.is_shuffled = rng.random() < 0.15
        self.is_python = self.is_flat and rng.random() < 0.6

    def type_name(self, name: str) -> str:
        if self.is_python:
            return {"string": "str", "number": "float", "integer": "int"}[name]
        return name

    def ordered(self, entry: dict) -> dict:
        if not self.is_shuffled:
            return entry
        items = list(entry.items())
        self.rng.shuffle(items)
        return dict(items)

    def text(self, schemas: list[dict]) -> str:
        separators = (",", ":") if self.is_compact else (", ", ": ")
        return json.dumps(schemas, ensure_ascii=False, separators=separators)


def _json_value(value: object) -> str:
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def _offer(first: Kind | None, source: Source, pool, forbidden: frozenset[str]) -> list[Offered]:
    """One to four tools, `first` among them, none of the forbidden groups, no two that do the same."""
    rng = source.rng
    chosen = [first] if first else []
    groups = forbidden | (first.groups if first else frozenset())
    count = rng.choice((1, 1, 2, 2, 2, 3, 3, 4))
    if first and first.operation and rng.random() < 0.7:
        pool = SINGLE_CALCULATORS
    for _ in range(12):
        if len(chosen) >= count:
            break
        kind = rng.choice(_MAIN_KINDS if pool is ALL_KINDS and rng.random() < 0.5 else pool)
        if not kind.groups & groups:
            chosen.append(kind)
            groups |= kind.groups
    rng.shuffle(chosen)
    offered: list[Offered] = []
    for kind in chosen:
        tool = Offered(kind, rng, any_name=source.split == "train")
        while any(tool.name == other.name for other in offered):
            tool = Offered(kind, rng, any_name=source.split == "train")
        offered.append(tool)
    return offered


def _system_message(offered: list[Offered], source: Source, question: str) -> dict:
    style = SchemaStyle(source.rng)
    integers = "." not in question and source.chance(0.2)
    text = source.phrase(*_SYSTEM["tools"]) if source.chance(0.6) else ""
    return {
        "role": "system",
        "content": text,
        "tools": style.text([tool.schema(style, integers) for tool in offered]),
    }


def value_of(expression: str) -> str | None:
    """The value of an expression of + - * / and brackets; None where it divides by zero."""
    tokens = re.findall(r"\d+(?:\.\d+)?|[-+*/()]", expression)
    position = 0

    def operand() -> Decimal:
        nonlocal position
        token = tokens[position]
        position += 1
        if token != "(":
            return Decimal(token)
        inner = terms()
        position += 1  # the closing bracket
        return inner

    def factors() -> Decimal:
        nonlocal position
        result = operand()
        while position < len(tokens) and tokens[position] in "*/":
            operation = tokens[position]
            position += 1
            right = operand()
            result = result * right if operation == "*" else result / right
        return result

    def terms() -> Decimal:
        nonlocal position
        result = factors()
        while position < len(tokens) and tokens[position] in "+-":
            operation = tokens[position]
            position += 1
            right = factors()
            result = result + right if operation == "+" else result - right
        return result

    try:
        return decimal_text(terms())
    except (DivisionByZero, InvalidOperation):
        return None


_SKIES = ("sunny", "rain", "cloudy", "snow", "wind", "fog")
_ORDER_STATES = ("sent", "delivered", "packed", "waiting", "cancelled", "on the way")
_PAGES = ("All about it", "The best page", "A short guide", "Facts and pictures")


def _info(rng: random.Random, kind: Kind, slots: Slots) -> tuple[list[tuple[str, object]], str]:
    """What a tool that knows something reports, as fields, and what the assistant says of it."""
    if "e" in slots:
        value = value_of(slots["e"][1]) or "0"
        return [(rng.choice(("result", "result", "value", "answer", "output")), Number(value))], value
    if kind is UNIT_CONVERTER or kind.phrases == "currency":
        amount, source_unit, target = (slots[name][0] for name in slots)
        value = (
            converted(amount, source_unit, target)
            if kind is UNIT_CONVERTER
            else f"{rng.randint(1, 9999)}.{rng.randint(10, 99)}"
        )
        fields: list = [(rng.choice(("result", "value", "converted", "amount")), Number(value))]
        if rng.random() < 0.4:
            fields.append(("unit", target))
        return fields, f"{value} {target}"
    if kind is CLOCK:
        hour, minute = rng.randint(0, 23), rng.randint(0, 59)
        time = (
            f"{hour:02}:{minute:02}"
            if rng.random() < 0.7
            else f"{hour:02}:{minute:02}:{rng.randint(0, 59):02}"
        )
        fields = [(rng.choice(("time", "time", "current_time", "now", "result")), time)]
        if "place" in slots and rng.random() < 0.3:
            fields.append((rng.choice(("city", "timezone", "place")), slots["place"][0]))
        return fields, time
    reports = {
        "weather": [("temperature", Number(rng.randint(-15, 38))), ("weather", rng.choice(_SKIES))],
        "stock": [("price", Number(f"{rng.randint(1, 900)}.{rng.randint(10, 99)}"))],
        "order": [("status", rng.choice(_ORDER_STATES))],
        "sensor": [("value", Number(f"{rng.randint(0, 500)}{rng.choice(('', '.5', '.25'))}"))],
        "random": [("number", Number(rng.randint(0, 999)))],
        "contact": [("phone", f"0{rng.randint(10**6, 10**9)}")],
        "translate": [("text", "".join(rng.choices("abdeilmnoprstu", k=rng.randint(4, 9))))],
        "search": [("title", rng.choice(_PAGES))],
    }  # fmt: skip
    fields = reports[kind.phrases]
    if len(fields) > 1 and rng.random() < 0.5:
        fields.reverse()
    if len(fields) == 1:
        if rng.random() < 0.3:
            fields = [("result", fields[0][1])]
        return fields, str(fields[0][1])
    return fields, ", ".join(f"{name}: {value}" for name, value in fields)


_DONE_REPORTS = (
    '{"status": "ok"}',
    '{"ok": true}',
    '{"result": "ok"}',
    "ok",
    '{"success": true}',
    '{"status": "done"}',
    "done",
    "OK",
)
_FAILURES = (
    "not available|no connection|unknown room|unknown city|not allowed|timeout|internal error|"
    "service is down|busy|not found|"
    "permission denied|invalid value|device is offline|try again later"
).split("|")


def _report(rng: random.Random, kind: Kind, slots: Slots, name: str) -> tuple[str, str, str]:
    """A tool's report, the assistant's thought about it, and its answer."""
    if rng.random() < 0.06:
        failure = rng.choice(_FAILURES)
        content = rng.choice(
            ('{{"error": "{}"}}', '{{"error": "{}"}}', "error: {}", '{{"status": "error", "message": "{}"}}')
        ).format(failure)
        return content, f" error: {failure}", f"The tool failed: {failure}"
    if kind.is_action:
        content = rng.choice(_DONE_REPORTS)
        if slots and rng.random() < 0.25:
            slot = rng.choice(list(slots))
            content = f'{{"status": "ok", "{slot}": {_json_value(slots[slot][1])}}}'
        return content, " done", "Done."
    fields, answer = _info(rng, kind, slots)
    shape = rng.random()
    if len(fields) == 1 and shape < 0.2:
        content = str(fields[0][1])
    else:
        parts = ", ".join(f'"{field}": {_json_value(value)}' for field, value in fields)
        content = f"{{{parts}}}"
        if shape > 0.85:
            content = content.replace(": ", ":").replace(", ", ",")
        elif shape > 0.78:
            result = content if len(fields) > 1 else _json_value(fields[0][1])
            content = f'[{{"name": "{name}", "result": {result}}}]'
    return content, f" result: {answer}", answer


def _call_problem(source: Source) -> Problem:
    """A question that one of the offered tools answers: the call, or what follows the tool's report."""
    rng = source.rng
    is_invented = rng.random() < (0.18 if source.split == "train" else 0.12)
    kind = invented_kind(rng) if is_invented else rng.choice(_RIGHT_KINDS)
    slots = kind.slots(rng)
    pool = [invented_kind(rng) for _ in range(3)] if is_invented and rng.random() < 0.7 else ALL_KINDS
    offered = _offer(kind, source, pool, frozenset())
    tool = next(tool for tool in offered if tool.kind is kind)
    question, filled = tool.question(slots, source)
    call = tool.call(slots, filled)
    messages = [_system_message(offered, source, question), {"role": "user", "content": question}]
    keys = [f"tool:{call}"]
    thinking, answer = f" tool {tool.name}", f"<|tool_call|>[{call}]<|/tool_call|>"
    if rng.random() < 0.6:
        return Problem("tool", messages, thinking, answer, keys)
    called = {"role": "assistant", "content": answer}
    if rng.random() < 0.6:
        called["thinking"] = thinking
    content, thinking, answer = _report(
        rng, kind, {name: slots[name] for name in slots if name in filled}, tool.name
    )
    messages += [called, {"role": "tool", "content": content}]
    return Problem("tool", messages, thinking, answer, [f"{keys[0]} {content}", keys[0]])


def _direct_problem(source: Source) -> Problem:
    """A question of another family, with tools around that don't fit: worked out as ever."""
    from families import all_families  # not above: this module is one of them

    family = source.rng.choice(list(_DIRECT))
    problem = all_families()[family](source)
    forbidden = frozenset(
        {"+", "-", "*", "/", "unit"} if _DIRECT[family] else {"thermostat"} if family == "rule" else ()
    )
    offered = _offer(None, source, ALL_KINDS, forbidden)
    messages = [_system_message(offered, source, "."), *problem.messages]
    return Problem(
        "tool", messages, problem.thinking, problem.answer, [f"tool:none:{problem.keys[0]}", *problem.keys]
    )


def _refused_problem(source: Source) -> Problem:
    """A question that neither a tool nor the model can answer."""
    rng = source.rng
    if rng.random() < 0.4 or source.split == "test":
        wanted = rng.choice((*OTHERS, CLOCK, THERMOSTAT))
        question, _ = Offered(wanted, rng).question(wanted.slots(rng), source)
        pool = [kind for kind in ALL_KINDS if kind.phrases not in ("search", "message")]
        offered = _offer(None, source, pool, wanted.groups)
    else:
        question = training_question(rng)
        while _CALCULABLE.search(question):
            question = training_question(rng)
        offered = _offer(None, source, _HARMLESS_KINDS, frozenset())
    messages = [_system_message(offered, source, question), {"role": "user", "content": question}]
    return Problem("tool", messages, REFUSAL_WORK, REFUSAL, [f"tool:refuse:{question}"])


def make_tool(source: Source) -> Problem:
    kind = source.rng.random()
    if kind < 0.76:
        return _call_problem(source)
    return _direct_problem(source) if kind < 0.92 else _refused_problem(source)


FAMILIES = {"tool": make_tool}
CHECKS = {"tool": check_tool}
