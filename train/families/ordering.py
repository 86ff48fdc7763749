"""Numbers by size: families `compare` (two numbers) and `sort` (a list, or one number of it by its rank)."""

from __future__ import annotations

import re
from decimal import Decimal

from families.size_stories import Pair, list_story, pair_story
from phrasings import as_list, load_phrasings
from problem import Problem, Source
from storybook import Storybook, capitalised

_COMPARE = load_phrasings("compare")
_SORT = load_phrasings("sort")
_SIZE = Storybook("size.txt")  # what is asked and how, apart; for training

_WORDS = {
    ">": ("is greater than", "is larger than", "is bigger than", "is more than", "exceeds"),
    "<": ("is less than", "is smaller than", "is lower than"),
    "=": ("is equal to", "equals", "is the same as"),
}
_MORE_WORDS = {  # of training
    ">": ("is above", "is higher than", "beats", "is over", "is a larger number than", "is strictly greater than"),
    "<": ("is below", "is under", "is a smaller number than", "falls short of", "is strictly less than"),
    "=": ("is exactly", "is just as big as", "has the same value as", "is identical to", "is as much as", "matches"),
    "!=": ("is not equal to", "differs from", "is different from", "is not the same as", "does not equal"),
    ">=": ("is at least", "is no less than", "is not less than", "is greater than or equal to", "is not below"),
    "<=": ("is at most", "is no more than", "is not more than", "is less than or equal to", "is not above"),
}
_ASKED = {"larger": ">", "smaller": "<", "greater?": ">", "less?": "<", "equal?": "=", "differ?": "!=", "atleast": ">=", "atmost": "<="}
_CLAIMS = {">": "greater", "<": "less", "=": "equal", "!=": "differ"}
_TESTED = {
    "".join(re.findall(r"[a-z{}]+", line.lower()))
    for kinds in (_COMPARE, _SORT)
    for _, test in kinds.values()
    for line in test
}


def _in_frame(source: Source, frame: str, **parts: str) -> str:
    """A question of training from a frame and what is asked; the test's own phrasings never come out."""
    while True:
        filled = {name: _SIZE.pick(source, part) for name, part in parts.items()}
        template = re.sub(r"\{(er|np|span|claim)\}", lambda match: filled[match[1]], _SIZE.pick(source, frame))
        if "".join(re.findall(r"[a-z{}]+", template.lower())) not in _TESTED:
            return template if template.startswith("{") or source.chance(0.15) else capitalised(template)


# -- two numbers --------------------------------------------------------------------------------------------------------


def comparison(source: Source) -> Problem:
    a, b = _two_numbers(source)
    kinds = ("larger", "smaller", "greater?", "less?", "equal?", "claim", "sign")
    kind = source.rng.choices(kinds, (26, 20, 14, 12, 5, 8, 15))[0]
    training = source.split == "train"
    if training and source.chance(0.1):
        kind = source.rng.choice(("equal?", "equal?", "equal?", "differ?"))
    if kind in ("equal?", "differ?") and source.chance(0.4):
        b = a
    told = training and kind != "sign" and source.chance(0.35)
    if told and kind not in ("equal?", "differ?", "claim"):
        if source.chance(0.15):
            kind = source.rng.choice(("atleast", "atmost"))
            b = a if source.chance(0.3) else b
        elif Decimal(a) == Decimal(b) and kind in ("larger", "smaller"):
            told = False
    if training and a == b and "." in b and source.chance(0.4):
        b += source.rng.choice(("0", "0", "00"))
    lines, sign = compare_lines(a, b)
    shown_a, shown_b = _written(source, a, b)
    if training and sign == "=" and "." not in a and len(a) > 3 and source.chance(0.3):
        shown_a = f"{int(a):,}"
    if told and kind == "claim":
        claimed = source.rng.choice((">", ">", "<", "<", "=", "!="))
        question = pair_story(source, "claim." + _CLAIMS[claimed], shown_a, shown_b).question
        answer = "true" if _holds(claimed, sign) else "false"
        lines.append(f"{a}{claimed}{b}: {answer}")
    elif told:
        named = kind in ("larger", "smaller") and source.chance(0.5)
        pair = pair_story(source, ("who." if named else "") + kind.rstrip("?"), shown_a, shown_b)
        question, answer = pair.question, _told_answer(pair, kind, a, sign, b, lines)
    elif kind == "claim":
        claimed = source.rng.choices((">", "<", "=", sign), (40, 40, 5, 15))[0]
        relation = source.rng.choice(_WORDS[claimed]) if source.chance(0.5) else claimed
        if training and relation != claimed and source.chance(0.5):
            claimed = source.rng.choice(("!=", ">=", "<=")) if source.chance(0.2) else claimed
            relation = source.rng.choice(_MORE_WORDS[claimed])
        space = "" if relation == claimed and source.chance(0.4) else " "
        claim = f"{shown_a}{space}{relation}{space}{shown_b}"
        question = source.phrase(*_COMPARE[kind]).format(claim=claim)
        answer = "true" if _holds(claimed, sign) else "false"
        lines.append(f"{a}{claimed}{b}: {answer}")
    else:
        framed = kind == "differ?" or (training and kind != "sign" and source.chance(0.5))
        if not framed:
            template = source.phrase(*_COMPARE[kind])
        elif kind in ("larger", "smaller"):
            template = _in_frame(source, "of_two", er=kind)
        elif source.chance(0.4):
            template = _in_frame(source, "asked." + kind.rstrip("?"))
        else:
            template = _in_frame(source, "verdict", claim=kind.rstrip("?"))
        question = template.format(a=shown_a, b=shown_b)
        if kind == "sign":
            answer = f"{a} {sign} {b}"
            lines.append(answer)
        elif kind in ("larger", "smaller"):
            answer = "equal" if sign == "=" else a if sign == _ASKED[kind] else b
            lines.append(f" {kind}: {answer}")
        else:
            claimed = _ASKED[kind]
            answer = "yes" if _holds(claimed, sign) else "no"
            lines.append(f"{a}{claimed}{b}: {answer}")
    key = f"compare:{min(a, b)},{max(a, b)}"
    return Problem.ask("compare", question, "\n".join(lines), answer, [key])


def _told_answer(pair: Pair, kind: str, a: str, sign: str, b: str, lines: list[str]) -> str:
    """Appends the lines of a story's verdict; with names (` Anna 715, Ben 751` before all) the answer is one of them."""
    if kind not in ("larger", "smaller"):
        answer = "yes" if _holds(_ASKED[kind], sign) else "no"
        lines.append(f"{a}{_ASKED[kind]}{b}: {answer}")
        return answer
    number = a if sign == _ASKED[kind] else b
    if not pair.sides:
        lines.append(f" {kind}: {number}")
        return number
    p, q = pair.sides
    lines.insert(0, f" {p}: {a}, {q}: {b}")
    lines.append(f" {kind}: {number}, {p if number == a else q}")
    return p if number == a else q


def _holds(claimed: str, sign: str) -> bool:
    return {"!=": sign != "=", ">=": sign != "<", "<=": sign != ">"}.get(claimed, claimed == sign)


def compare_lines(a: str, b: str) -> tuple[list[str], str]:
    """Which of two numbers, written as text, is larger; with the sign (<, > or =) that stands between them.

    4821:4,4812:4,4=4 | 4=4,8=8,2>1 | 4821>4812
    The digits before the point are counted; when there are as many, digits are compared from the left up to the first
    that differ, a missing one behind the point counting as 0. Of two negative numbers the parts behind the signs are.
    """
    if a.startswith("-") != b.startswith("-"):
        sign = "<" if a.startswith("-") else ">"
        return [f"{a}<0,{b}>=0" if sign == "<" else f"{a}>=0,{b}<0", f"{a}{sign}{b}"], sign
    if a.startswith("-"):
        lines, sign = compare_lines(a[1:], b[1:])
        sign = {"<": ">", ">": "<", "=": "="}[sign]
        return [*lines, f"{a}{sign}{b}"], sign
    whole_a, _, part_a = a.partition(".")
    whole_b, _, part_b = b.partition(".")
    sign = _sign(len(whole_a), len(whole_b))
    lines = [f"{a}:{len(whole_a)},{b}:{len(whole_b)},{len(whole_a)}{sign}{len(whole_b)}"]
    if sign == "=":
        width = max(len(part_a), len(part_b))
        steps = []
        for x, y in zip(whole_a + part_a.ljust(width, "0"), whole_b + part_b.ljust(width, "0")):
            sign = _sign(x, y)
            steps.append(f"{x}{sign}{y}")
            if sign != "=":
                break
        lines.append(",".join(steps))
    lines.append(f"{a}{sign}{b}")
    return lines, sign


def _sign(x, y) -> str:
    return "<" if x < y else ">" if x > y else "="


def _two_numbers(source: Source) -> tuple[str, str]:
    """Two numbers as text; often of one length and with a common beginning, which makes them hard to tell apart."""
    kind = source.rng.random()
    if kind < 0.18:
        return _two_decimals(source)
    a = source.number(6)
    if kind < 0.4:
        b = source.number(6)
    elif kind < 0.55:
        b = source.number(len(str(a)), len(str(a)))
    elif kind < 0.6:
        b = a
    elif kind < 0.66:  # the same digits in another order
        b = int("".join(source.rng.sample(str(a), len(str(a)))))
    else:
        below = 10 ** source.rng.randint(1, len(str(a)))
        b = a - a % below + source.rng.randrange(below)
    if kind > 0.95:
        return source.rng.choice(((f"-{a or 1}", str(b)), (str(a), f"-{b or 1}"), (f"-{a or 1}", f"-{b or 1}")))
    return str(a), str(b)


def _two_decimals(source: Source) -> tuple[str, str]:
    whole = source.number(3)
    other = whole if source.chance(0.7) else source.number(3)
    digits = "".join(source.rng.choice("0123456789") for _ in range(3))
    if source.chance(0.5):  # the same beginning behind the point
        same = source.rng.randint(0, 2)
        others = digits[:same] + "".join(source.rng.choice("0123456789") for _ in range(3 - same))
    else:
        others = "".join(source.rng.choice("0123456789") for _ in range(3))
    a = f"{whole}.{digits[: source.rng.randint(1, 3)]}"
    b = f"{other}.{others[: source.rng.randint(1, 3)]}"
    if source.chance(0.1):
        b = str(other)
    return source.rng.choice(((a, b), (b, a)))


def _written(source: Source, a: str, b: str) -> tuple[str, str]:
    if source.chance(0.06) and "." not in a + b:
        return f"{int(a):,}", f"{int(b):,}"
    return a, b


# -- lists --------------------------------------------------------------------------------------------------------------


def sorting(source: Source) -> Problem:
    kinds = ("ascending", "descending", "largest", "smallest", "second largest", "second smallest", "median")
    kind = source.rng.choices(kinds, (34, 24, 13, 13, 5, 4, 7))[0]
    if source.split == "train" and source.chance(0.1):
        kind = source.rng.choice(("second largest", "second smallest"))
    count = source.rng.choice((3, 5)) if kind == "median" else source.rng.randint(3, 6)
    numbers = _several_numbers(source, count)
    whole = kind in ("ascending", "descending")
    told = source.split == "train" and source.chance(0.35)
    framed = not told and source.split == "train" and source.chance(0.5) and (whole or len(set(numbers)) == count)
    if told:
        numbers, template, labels = list_story(source, kind, count)
    elif not framed:
        template = source.phrase(*_SORT[kind])
    elif whole:
        template = _in_frame(source, "whole", span=kind)
    else:
        template = _in_frame(source, "one", np=kind.replace(" ", "_"))
    question = template if told else template.format(list=_list(source, list(map(str, numbers))))
    choose = max if kind in ("descending", "largest", "second largest") else min
    rounds = {"largest": 1, "smallest": 1, "second largest": 2, "second smallest": 2, "median": (count + 1) // 2}
    lines, chosen = selection_lines(numbers, choose, rounds.get(kind, count))
    answer = str(chosen[-1])
    if whole:
        answer = ", ".join(map(str, chosen))
        lines.append(answer)
    if told and labels:
        whose = dict(zip(map(str, numbers), labels))
        lines.insert(0, " " + ", ".join(f"{label}: {number}" for number, label in whose.items()))
        lines.append(f" {answer}: {whose[answer]}")
        answer = whose[answer]
    return Problem.ask("sort", question, "\n".join(lines), answer, ["sort:" + ",".join(map(str, sorted(numbers)))])


def selection_lines(numbers: list[int], choose, rounds: int) -> tuple[list[str], list[int]]:
    """Takes the smallest (choose=min) or largest (max) of what remains, so many times; with the numbers taken.

    45 2 78 33 | 45 02 78 33: 45,02->02,78->02,33->02 | 45 78 33: 45,78->45,33->33 | 45 78: 45,78->45 | 78
    The numbers are made equally long, so that two of them compare digit by digit from the left, and every one is
    compared with the best so far: both stand there before the choice is written.
    """
    width = max(len(str(number)) for number in numbers)
    remaining = list(numbers)
    lines, chosen = [" ".join(map(str, numbers))], []
    for _ in range(rounds):
        best = remaining[0]
        steps = f"{best:0{width}}"
        for number in remaining[1:]:
            best = choose(best, number)
            steps += f",{number:0{width}}->{best:0{width}}"
        listed = " ".join(f"{number:0{width}}" for number in remaining)
        lines.append(f"{listed}: {steps}" if len(remaining) > 1 else listed)
        chosen.append(best)
        remaining.remove(best)
    return lines, chosen


def _several_numbers(source: Source, count: int) -> list[int]:
    """Numbers of 1 to 4 digits; some lists have numbers of one length only, or ones that are close, or equal ones."""
    kind = source.rng.random()
    if kind < 0.45:
        numbers = [source.number(4) for _ in range(count)]
    elif kind < 0.8:
        digits = source.rng.choice((1, 2, 2, 3, 4))
        numbers = [source.number(digits, digits) for _ in range(count)]
    else:
        below = source.rng.choice((20, 100, 100))
        start = source.number(4)
        numbers = [start - start % below + source.rng.randrange(below) for _ in range(count)]
    if source.chance(0.9):  # different ones, as far as the length allows
        numbers = list(dict.fromkeys(numbers))
        while len(numbers) < count:
            number = source.number(4)
            if number not in numbers:
                numbers.insert(source.rng.randrange(len(numbers) + 1), number)
    return numbers


def _list(source: Source, items: list[str]) -> str:
    if source.split == "train" and source.chance(0.3):
        between = source.rng.choice(("; ", ", ", "\n", " / ", " | ", ",", " - ", "  ", " and ", ";", "/", "|", " – "))
        before, after = source.rng.choice((("[", "]"), ("(", ")"), ("{", "}"), ('"', '"'), ("", ""), ("", ""), ("", "")))
        return ("\n" if between == "\n" and not before else before) + between.join(items) + after
    style = source.rng.random()
    if style < 0.55:
        return as_list(items, source)
    if style < 0.75:
        return " ".join(items)
    if style < 0.85:
        return ",".join(items)
    if style < 0.95:
        return "[" + ", ".join(items) + "]"
    return "; ".join(items)


# -- the checks of the work ---------------------------------------------------------------------------------------------


def check_comparison(problem: Problem) -> str | None:
    """Counts and compares again, with decimals, whatever the lines say."""
    lines = problem.thinking.split("\n")
    asked = problem.keys[0].partition(":")[2].split(",")
    answer = problem.answer
    told = re.fullmatch(r" (.+): ([-\d.]+), (.+): ([-\d.]+)", lines[0])
    if told:
        best, _, name = lines[-1].partition(", ")
        who = {told[2]: told[1], told[4]: told[3]}
        if sorted(who) != sorted(asked) or name != answer or who.get(best.rpartition(" ")[2]) != name:
            return f"'{lines[0]}' and '{lines[-1]}' do not give '{answer}'"
        lines, answer = [*lines[1:-1], best], best.rpartition(" ")[2]
    stated = re.fullmatch(r"(-?[\d.]+)([<>=])(-?[\d.]+)", lines[-2])
    if not stated or sorted((stated[1], stated[3])) != sorted(asked):
        return f"'{lines[-2]}' does not compare {asked[0]} with {asked[1]}"
    a, sign, b = stated.groups()
    if sign != _sign(Decimal(a), Decimal(b)):
        return f"'{lines[-2]}' is false"
    wrong = _check_digits(lines[:-2], a, b)
    if wrong:
        return wrong
    return _check_verdict(lines[-1], a, sign, b, answer)


def _check_digits(lines: list[str], a: str, b: str) -> str | None:
    if (a[0] == "-") != (b[0] == "-"):
        wanted = [f"{x}{'<0' if x[0] == '-' else '>=0'}" for x in (a, b)]
        return None if lines == [",".join(wanted)] else f"{lines} should say {wanted}"
    if a[0] == "-":
        a, b = a[1:], b[1:]
        if not lines or lines[-1] != f"{a}{_sign(Decimal(a), Decimal(b))}{b}":
            return f"{lines} does not end by comparing {a} with {b}"
        lines = lines[:-1]
    counts = [len(str(int(Decimal(x)))) for x in (a, b)]
    if not lines or lines[0] != f"{a}:{counts[0]},{b}:{counts[1]},{counts[0]}{_sign(*counts)}{counts[1]}":
        return f"{lines} does not begin with the counts {counts} of digits"
    if counts[0] != counts[1]:
        return None if len(lines) == 1 else f"'{lines[1]}' is not needed"
    places = max(-Decimal(x).as_tuple().exponent for x in (a, b))
    digits = [str(int(Decimal(x).scaleb(places))).zfill(counts[0] + places) for x in (a, b)]
    differ = next((k for k in range(len(digits[0])) if digits[0][k] != digits[1][k]), len(digits[0]) - 1)
    wanted = ",".join(f"{x}{_sign(x, y)}{y}" for x, y in zip(digits[0][: differ + 1], digits[1]))
    return None if lines[1:] == [wanted] else f"{lines[1:]} should be '{wanted}'"


def _check_verdict(line: str, a: str, sign: str, b: str, answer: str) -> str | None:
    if line == answer == f"{a} {sign} {b}":
        return None
    said = line.rpartition(": ")
    if said[2] != answer:
        return f"'{line}' does not give the answer '{answer}'"
    if said[0] in (" larger", " smaller"):
        best = (max if said[0] == " larger" else min)(a, b, key=Decimal)
        right = answer == ("equal" if sign == "=" else best)
    else:
        claimed = said[0][len(a) : len(said[0]) - len(b)]
        holds = _holds(claimed, sign)
        right = said[0] == f"{a}{claimed}{b}" and answer in (("yes", "true") if holds else ("no", "false"))
    return None if right else f"'{line}' does not follow from {a}{sign}{b}"


def check_sorting(problem: Problem) -> str | None:
    """The numbers, made equally long; then every line lists what remains, goes through all of it, and takes the
    smallest, or every line the largest."""
    lines = problem.thinking.split("\n")
    wanted = sorted(map(int, problem.keys[0].partition(":")[2].split(",")))
    said = problem.answer
    if lines[0].startswith(" "):  # who has which
        whose = dict(item.split(": ")[::-1] for item in lines[0][1:].split(", "))
        said, _, name = lines[-1][1:].partition(": ")
        if sorted(map(int, whose)) != wanted or whose.get(said) != name or name != problem.answer:
            return f"'{lines[0]}' and '{lines[-1]}' do not give '{problem.answer}'"
        lines = lines[1:-1]
    first, *lines = lines
    if sorted(first.split(" "), key=int) != list(map(str, wanted)):
        return f"'{first}' does not list the numbers"
    widths = {len(text) for line in lines[: len(lines) - (", " in said)] for text in re.findall(r"\d+", line)}
    if widths != {len(str(wanted[-1]))}:
        return f"the numbers are written with {sorted(widths)} digits"
    whole = ", " in said
    remaining, taken, directions = None, [], {min, max}
    for line in lines[: len(lines) - whole]:
        listed, _, steps = line.partition(": ")
        numbers = [int(text) for text in listed.split(" ")]
        if numbers != ([int(text) for text in first.split(" ")] if remaining is None else remaining):
            return f"'{line}' does not list what remains"
        best = numbers[-1]
        if len(numbers) > 1:
            found = re.fullmatch(r"(\d+)((?:,\d+->\d+)+)", steps)
            if not found:
                return f"'{line}' is no selection"
            pairs = [(int(x), int(y)) for x, y in re.findall(r",(\d+)->(\d+)", found[2])]
            if [int(found[1]), *(x for x, _ in pairs)] != numbers:
                return f"'{line}' does not go through its list"
            bests = [y for _, y in pairs]
            directions &= {way for way in (min, max) if all(way(numbers[: k + 2]) == y for k, y in enumerate(bests))}
            best = bests[-1]
        taken.append(best)
        numbers.remove(best)
        remaining = numbers
    if not directions:
        return "the smallest is taken in one line, the largest in another, or neither"
    if whole:
        in_order = lines[-1] == said == ", ".join(map(str, taken)) and not remaining
        return None if in_order else f"'{lines[-1]}' is not the order in which the numbers were taken"
    return None if said == str(taken[-1]) else f"'{said}' is not what the last line took"


FAMILIES = {"compare": comparison, "sort": sorting}
CHECKS = {"compare": check_comparison, "sort": check_sorting}
