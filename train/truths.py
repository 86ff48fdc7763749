"""What is true: expressions with given values, everyday statements, truth tables, conclusions from rules.

An expression is written with words and spaced parentheses, and reduced one operation per line, the innermost
and leftmost first: ` not ( true or false )`, ` not true`, ` false`.
"""

from __future__ import annotations

import itertools
import re

from problem import Problem, Source
from storybook import Storybook, capitalised, sections
from truth_plain import plain_statement, syllogism, told_values, variables
from vocabulary import a_person

_BOOK = Storybook("truth.txt")
_RAW = {name: lines for (split, name), lines in sections("truth.txt").items() if split == "both"}
_STATEMENTS = [[part.strip() for part in line.split("|")] for line in _RAW["statements"]]
_EVENTS = [[part.strip() for part in line.split("|")] for line in _RAW["events"]]
_KINDS = [[part.strip() for part in line.split("|")] for line in _RAW["kinds"]]
_PROPERTIES = _RAW["properties"]
_VARIABLES = (list("ABCD"), list("pqrs"), list("PQRS"), list("XYZW"), list("abcd"), list("xyzw"))

# The ways to write a value: as a word, a letter, a digit.
_TRUE = {"x": "true", "letter": "T", "bit": "1"}
_FALSE = {"x": "false", "letter": "F", "bit": "0"}
_LONGEST_TABLE = 400  # characters

# An expression is a variable, or ("not", e), or (operation, e, e).
_BINDING = {"or": 1, "xor": 1, "implies": 0, "and": 2, "not": 3}


# -- expressions ---------------------------------------------------------------------------------------------


def _random_expression(rng, variables: list[str], simple: bool = False):
    """An expression that uses every variable once, or one of them twice."""
    leaves = list(variables)
    if not simple and len(leaves) < 4 and rng.random() < 0.15:
        leaves.append(rng.choice(variables))
    rng.shuffle(leaves)
    if rng.random() < 0.5:
        leaves.sort()
    return _grown(rng, leaves)


def _grown(rng, leaves: list[str]):
    if len(leaves) == 1:
        return ("not", leaves[0]) if rng.random() < 0.33 else leaves[0]
    cut = rng.randint(1, len(leaves) - 1)
    operation = rng.choices(("and", "or", "implies", "xor"), (42, 38, 12, 8))[0]
    grown = (operation, _grown(rng, leaves[:cut]), _grown(rng, leaves[cut:]))
    return ("not", grown) if rng.random() < (0.18 if len(leaves) < 4 else 0.08) else grown


def _value(expression, values: dict[str, bool]) -> bool:
    if isinstance(expression, str):
        return values[expression]
    if expression[0] == "not":
        return not _value(expression[1], values)
    left, right = _value(expression[1], values), _value(expression[2], values)
    return {"and": left and right, "or": left or right, "xor": left != right, "implies": not left or right}[
        expression[0]
    ]


def _tokens(expression, values: dict[str, bool] | None = None, bare: bool = False) -> list[str]:
    """Words of the expression as the work writes it; with values, `true` and `false` for variables.

    Operations within operations are in parentheses, except a run of equal ones, and (bare) `and` within `or`.
    """
    if isinstance(expression, str):
        return [expression] if values is None else ["true" if values[expression] else "false"]
    if isinstance(expression, bool):
        return ["true" if expression else "false"]
    operation = expression[0]
    if operation == "not":
        inner = _tokens(expression[1], values, bare)
        return [
            "not",
            *(inner if len(inner) < 3 and inner[0] != "not" or len(inner) == 1 else ["(", *inner, ")"]),
        ]
    left, right = (_operand(expression, side, values, bare) for side in (1, 2))
    return [*left, operation, *right]


def _operand(expression, side: int, values, bare: bool) -> list[str]:
    operand = expression[side]
    tokens = _tokens(operand, values, bare)
    if isinstance(operand, (str, bool)) or operand[0] == "not":
        return tokens
    same_run = operand[0] == expression[0] and expression[0] in ("and", "or") and side == 1
    if same_run or (bare and operand[0] == "and" and expression[0] == "or"):
        return tokens
    return ["(", *tokens, ")"]


def _reduced_once(expression):
    """The expression with its innermost leftmost operation on values carried out."""
    if expression[0] == "not":
        if isinstance(expression[1], bool):
            return not expression[1]
        return ("not", _reduced_once(expression[1]))
    operation, left, right = expression
    if not isinstance(left, bool):
        return (operation, _reduced_once(left), right)
    if not isinstance(right, bool):
        return (operation, left, _reduced_once(right))
    return _value((operation, "l", "r"), {"l": left, "r": right})


def _filled(expression, values: dict[str, bool]):
    if isinstance(expression, str):
        return values[expression]
    return (expression[0], *(_filled(part, values) for part in expression[1:]))


def _reduction(expression, values: dict[str, bool], bare: bool = False) -> list[str]:
    """The expression with values, and then line by line what remains of it."""
    current = _filled(expression, values)
    lines = [" ".join(_tokens(current, bare=bare))]
    while not isinstance(current, bool):
        current = _reduced_once(current)
        lines.append(" ".join(_tokens(current, bare=bare)))
    return lines


# How people write operations: and, or, not, xor, implies.
_NOTATIONS = (
    (30, {}),
    (8, {"and": "AND", "or": "OR", "not": "NOT", "xor": "XOR", "implies": "IMPLIES"}),
    (4, {"and": "&&", "or": "||", "not": "!", "implies": "->"}),
    (3, {"and": "&", "or": "|", "not": "~", "implies": "=>"}),
    (3, {"and": "∧", "or": "∨", "not": "¬", "implies": "→"}),
)


def _in_notation(rng, tokens: list[str]) -> str:
    """The expression as somebody writes it."""
    notation = rng.choices([one for _, one in _NOTATIONS], [share for share, _ in _NOTATIONS])[0]
    text = " ".join(notation.get(token, token) for token in tokens).replace("( ", "(").replace(" )", ")")
    for sign in ("!", "~", "¬"):
        text = text.replace(sign + " ", sign)
    if not notation and len(tokens) == 3 and rng.random() < 0.15:
        left, operation, right = tokens
        if operation == "implies":
            return f"if {left} then {right}"
        if operation == "xor":
            return f"either {left} or {right} but not both"
        if operation == "and":
            return f"both {left} and {right}"
        return f"{left} or {right} or both"
    if (
        not notation
        and tokens[:2] == ["not", "("]
        and tokens[-1] == ")"
        and tokens.count("(") == 1
        and rng.random() < 0.2
    ):
        inner = tokens[2:-1]
        if len(inner) == 3 and inner[1] == "or":
            return f"neither {inner[0]} nor {inner[2]}"
    return text


def _with_not_twice(rng, expression, size: int):
    """`not ( not a )`, by itself or on one side of an operation."""
    if isinstance(expression, str) or expression[0] == "not":
        return ("not", expression if expression[0] == "not" else ("not", expression))
    operation, left, right = expression
    if isinstance(left, str) and rng.random() < 0.5:
        return (operation, ("not", ("not", left)), right)
    if isinstance(right, str):
        return (operation, left, ("not", ("not", right)))
    return ("not", ("not", expression)) if size < 3 else expression


def _evaluate(source: Source) -> Problem:
    """Values of variables, and an expression of them."""
    rng = source.rng
    names = rng.choice(_VARIABLES)[: rng.choices((1, 2, 3, 4), (4, 44, 40, 12))[0]]
    if len(names) == 2 and rng.random() < 0.15:
        names = rng.sample(rng.choice(_VARIABLES), 2)
    is_training = source.split == "train"
    if is_training and source.chance(0.4):
        names = variables(source)[: len(names)]
    values = {name: rng.random() < 0.5 for name in names}
    expression = _random_expression(rng, names)
    bare = rng.random() < 0.3
    if isinstance(expression, str):
        expression = ("not", expression)
    if is_training and source.chance(0.08):
        expression = _with_not_twice(rng, expression, len(names))
    tokens = _tokens(expression, bare=bare)
    form = _BOOK.pick(source, "value")
    told = [form.format_map({"v": name, **(_TRUE if value else _FALSE)}) for name, value in values.items()]
    values_text = ", ".join(told) if rng.random() < 0.5 or ":" in form else _listed(told)
    if form == "{v} is {x}" and len(names) > 1 and len(set(values.values())) == 1 and rng.random() < 0.4:
        which = "both " if len(names) == 2 and rng.random() < 0.6 else ""
        joined = f"{', '.join(names[:-1])} and {names[-1]}"
        values_text = f"{joined} are {which}{'true' if values[names[0]] else 'false'}"
    elif len(told) == 2 and source.split == "train" and rng.random() < 0.15:
        values_text = rng.choice((" but ", " while ", ", whereas ", ", ", "; ")).join(told)
    template = _BOOK.pick(source, "evaluate")
    if is_training and source.chance(0.25):
        template, values_text = told_values(source, values)
    text = template.format_map({"values": values_text, "expression": _in_notation(rng, tokens)})
    if not text[0].isupper() and not text.startswith(tuple(names)) and not (is_training and source.chance(0.4)):
        text = capitalised(text)
    lines = [" " + " ".join(tokens), " " + _named(list(values), list(values.values()))]
    lines += [" " + line for line in _reduction(expression, values, bare)]
    asks_whether = (
        re.search(r"(^|[.,] |\bif .*, )(Is|is|Does|does) ", text) and "true or false" not in text.lower()
    )
    holds = _value(expression, values)
    answer = ("yes" if holds else "no") if asks_whether else ("true" if holds else "false")
    given = ",".join(f"{name}={int(value)}" for name, value in values.items())
    return Problem.ask("truth", text, "\n".join(lines), answer, [f"truth:{' '.join(tokens)}|{given}"])


# -- everyday statements -------------------------------------------------------------------------------------


def _statements(source: Source) -> Problem:
    """Facts about things, and a claim made of them."""
    rng = source.rng
    person = a_person(source).name
    chosen: list[list[str]] = []
    count = rng.choices((2, 3), (70, 30))[0]
    while len(chosen) < count:
        one = rng.choice(_STATEMENTS)
        if all((one[0] == "it" or one[0] != other[0]) and one[3] != other[3] for other in chosen):
            chosen.append(one)
    chosen = [[part.replace("{N}", person) for part in one] for one in chosen]
    labels = [one[3] for one in chosen]
    values = {one[3]: rng.random() < 0.5 for one in chosen}
    facts = [f"{one[0]} {one[1] if values[one[3]] else one[2]}" for one in chosen]
    told = (
        ". ".join(map(capitalised, facts)) + "." if rng.random() < 0.7 else capitalised(_listed(facts)) + "."
    )
    asked = list(range(count)) if count == 2 or rng.random() < 0.5 else rng.sample(range(count), 2)
    rng.shuffle(asked)
    shape = rng.choices(("and", "or", "implies", "neither"), (45, 35, 12, 8))[0]
    parts, expression = [], None
    for index in asked:
        one = chosen[index]
        negated = shape not in ("neither",) and rng.random() < 0.3
        parts.append(f"{one[0]} {one[2] if negated else one[1]}")
        leaf = ("not", labels[index]) if negated else labels[index]
        if expression is None:
            expression = leaf
        else:
            expression = ("or" if shape == "neither" else shape, expression, leaf)
    if len(asked) > 2 and shape in ("implies", "neither"):
        return _statements(source)
    if shape == "neither":
        expression = ("not", expression)
        claim = rng.choice(
            (f"neither {parts[0]} nor {parts[1]}", f"it is not true that {parts[0]} or {parts[1]}")
        )
    elif shape == "implies":
        claim = f"if {parts[0]}, then {parts[1]}"
    elif shape == "and" and len(parts) == 2 and rng.random() < 0.2:
        claim = f"both {parts[0]} and {parts[1]}"
    else:
        claim = f" {shape} ".join(parts)
    if len(parts) == 2 and source.split == "train" and rng.random() < 0.45:
        claim = _BOOK.pick(source, f"claim.{shape}").format_map({"a": parts[0], "b": parts[1]})
    text = _BOOK.pick(source, "statements.ask").format_map(
        {"facts": told, "claim": claim, "Claim": capitalised(claim)}
    )
    mentioned = [label for label in labels if label in [labels[index] for index in asked]]
    lines = [f" {label}: {'true' if values[label] else 'false'}" for label in mentioned]
    lines += [" " + line for line in _reduction(expression, values)]
    holds = _value(expression, values)
    yes_no = "true or false" not in text.lower()
    answer = ("yes" if holds else "no") if yes_no else ("true" if holds else "false")
    given = ",".join(f"{label}={int(values[label])}" for label in mentioned)
    key = f"truth:{' '.join(_tokens(expression))}|{given}|{_normalised(text)}"
    return Problem.ask("truth", text, "\n".join(lines), answer, [key])


def _normalised(text: str) -> str:
    return " ".join(re.sub(r"[^\w ]", " ", text.lower()).split())


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


# -- truth tables --------------------------------------------------------------------------------------------


def _table(source: Source) -> Problem:
    """Something about the four rows of the truth table of an expression in two variables."""
    rng = source.rng
    names = rng.choice(_VARIABLES)[:2]
    expression = _random_expression(rng, names)
    asked = rng.choices(("which", "count", "table", "always"), (40, 22, 22, 16))[0]
    if asked == "always" and rng.random() < 0.5:
        one, other = names if rng.random() < 0.5 else names[::-1]
        expression = rng.choice(
            (
                ("or", one, ("not", one)),
                ("or", ("or", one, ("not", one)), other),
                ("implies", ("and", one, other), one),
                ("implies", one, ("or", one, other)),
                ("or", ("implies", one, other), one),
                ("not", ("and", one, ("not", one))),
            )
        )
    used = sorted(set(_tokens(expression)) & set(names), key=names.index)
    tokens = _tokens(expression)
    rows = list(itertools.product((True, False), repeat=len(used)))
    lines, results = [], []
    for row in rows:
        values = dict(zip(used, row))
        results.append(_value(expression, values))
        lines.append(f" {_named(used, row)}: " + " = ".join(_reduction(expression, values)))
    if sum(map(len, lines)) > _LONGEST_TABLE:
        return _table(source)
    true_rows = [_named(used, row) for row, result in zip(rows, results) if result]
    words = {"variables": " and ".join(used), "expression": _in_notation(rng, tokens)}
    text = _BOOK.pick(source, asked).format_map(words)
    if "four" in text and len(used) < 2:
        return _table(source)
    if asked == "which":
        answer = "; ".join(true_rows) if true_rows else "never"
    elif asked == "count":
        answer = str(len(true_rows))
    elif asked == "always":
        answer = "yes" if all(results) else "no"
    else:
        answer = "; ".join(
            f"{_named(used, row)}: {'true' if result else 'false'}" for row, result in zip(rows, results)
        )
    return Problem.ask("truth", text, "\n".join(lines), answer, [f"truth:{asked} {' '.join(tokens)}"])


def _named(names: list[str], row: tuple[bool, ...]) -> str:
    return ", ".join(f"{name} {'true' if value else 'false'}" for name, value in zip(names, row))


# -- conclusions ---------------------------------------------------------------------------------------------


def _conclusion(source: Source) -> Problem:
    """One or two rules, a fact, and what follows for something else: yes, no, or nothing."""
    rng = source.rng
    first = a_person(source)
    people = {"N": first.name, "O": a_person(source, [first]).name}
    length = rng.choices((2, 3, 4), (62, 28, 10))[0]
    chain: list[list[str]] = []
    while len(chain) < length:
        one = rng.choice(_EVENTS)
        if one[4] not in [other[4] for other in chain] and (
            one[0] == "it" or one[0] not in [other[0] for other in chain]
        ):
            chain.append(one)
    chain = [[part.replace("{N}", people["N"]).replace("{O}", people["O"]) for part in one] for one in chain]
    negated = [place > 0 and length == 2 and rng.random() < 0.2 for place in range(length)]
    say = [(f"{one[0]} {one[2]}" if no else f"{one[0]} {one[1]}") for one, no in zip(chain, negated)]
    denial = [(f"{one[0]} {one[1]}" if no else f"{one[0]} {one[2]}") for one, no in zip(chain, negated)]
    label = [("not " if no else "") + one[4] for one, no in zip(chain, negated)]
    rules = list(zip(range(length - 1), range(1, length)))
    if length > 2 and rng.random() < 0.4:
        rng.shuffle(rules)
    told = " ".join(
        capitalised(_BOOK.pick(source, "rule.if").format_map({"p": say[p], "q": say[q]})) + "."
        for p, q in rules
    )
    lines = [f" {label[p]} -> {label[q]}" for p, q in rules]
    kind = rng.choices(("ponens", "tollens", "converse", "inverse"), (38, 32, 15, 15))[0]
    given, asked = (0, length - 1) if kind in ("ponens", "inverse") else (length - 1, 0)
    affirmed = kind in ("ponens", "converse")  # whether the fact is what the rule says, or its denial
    fact = (say if affirmed else denial)[given]
    known = affirmed != negated[given]  # what the fact says of the bare event
    lines.append(f" {chain[given][4]}: {'true' if known else 'false'}")
    if kind == "ponens":
        steps = range(1, length)
    elif kind == "tollens":
        steps = range(length - 2, -1, -1)
    else:
        steps = range(0)
    for place in steps:
        lines.append(f" {chain[place][4]}: {'true' if (kind == 'ponens') != negated[place] else 'false'}")
    if not steps:
        lines.append(f" {chain[asked][4]}: unknown")
        answer = "cannot tell"
    else:
        answer = "yes" if lines[-1].endswith("true") else "no"
    question = chain[asked][3]
    words = {
        "rules": told,
        "fact": capitalised(fact) + ".",
        "fact_small": fact + ".",
        "question": question,
        "Question": capitalised(question),
    }
    text = _BOOK.pick(source, "conclude").format_map(words)
    premises = ";".join(line.removeprefix(" ") for line in lines[:length])
    key = f"truth:{premises}|{chain[asked][4]}|{_normalised(text)}"
    return Problem.ask("truth", text, "\n".join(lines), answer, [key])


def _syllogism(source: Source) -> Problem:
    """All or no X are Y; somebody is an X, or is Y, or not."""
    rng = source.rng
    name = a_person(source).name
    (xs, x), (_, w) = rng.sample(_KINDS, 2)
    y, other = rng.sample(_PROPERTIES, 2)
    universal = rng.random() < 0.7
    rule = _BOOK.pick(source, "syllogism.all" if universal else "syllogism.no").format_map(
        {"xs": xs, "x": x, "y": y}
    )
    then = y if universal else f"not {y}"
    kind = rng.choices(("member", "property", "not property", "stranger"), (45, 20, 20, 15))[0]
    lines = [f" {x} -> {then}"]
    a_x = f"a {x}"
    if kind == "member":
        fact, asked = f"{name} is {a_x}.", y
        lines += [f" {name} {x}: true", f" {name} {y}: {'true' if universal else 'false'}"]
        answer = "yes" if universal else "no"
    elif kind == "property":  # what a rule says of its members says nothing of others, unless it forbids
        fact, asked = f"{name} is {y}.", a_x
        lines += [f" {name} {y}: true", f" {name} {x}: {'unknown' if universal else 'false'}"]
        answer = "cannot tell" if universal else "no"
    elif kind == "not property":
        fact, asked = f"{name} is not {y}.", a_x
        lines += [f" {name} {y}: false", f" {name} {x}: {'false' if universal else 'unknown'}"]
        answer = "no" if universal else "cannot tell"
    else:
        fact, asked = f"{name} is not {a_x}.", y
        lines += [f" {name} {x}: false", f" {name} {y}: unknown"]
        answer = "cannot tell"
    words = {"rules": capitalised(rule) + ".", "fact": fact, "fact_small": fact, "N": name, "z": asked}
    text = _BOOK.pick(source, "syllogism.ask").format_map(words)
    premises = ";".join(line.removeprefix(" ") for line in lines[:2])
    key = f"truth:{premises}|{lines[2].split(':')[0].split(' ')[-1]}|{_normalised(text)}"
    return Problem.ask("truth", text, "\n".join(lines), answer, [key])


_KINDS_OF_PROBLEM = (_evaluate, _statements, _table, _conclusion, _syllogism)
_SHARES = (42, 14, 18, 20, 6)


def truth(source: Source) -> Problem:
    """One problem about what is true."""
    if source.split == "train" and source.chance(0.17):
        if source.chance(0.35):
            return syllogism(source)
        return plain_statement(source, _reduction, _tokens, _value)
    return source.rng.choices(_KINDS_OF_PROBLEM, _SHARES)[0](source)
