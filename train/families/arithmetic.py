"""Sums, differences, products and quotients of whole numbers: families `add`, `sub`, `mul` and `div`."""

from __future__ import annotations

import re

from families.share_stories import share_story
from phrasings import as_list, in_words, load_phrasings
from problem import Problem, Source
from storybook import Storybook, capitalised
from verify import evaluate, read_work
from work import calculation_key, contained_keys, div_lines, mul_lines, signed_lines, sub_lines

_EXPRESSION = load_phrasings("expression")
_SPOKEN = Storybook("spoken.txt")
_PHRASES = {family: load_phrasings(family) for family in ("add", "sub", "mul", "div")}

# How people write an operator; the frequent ways several times.
_SIGNS = {
    "+": ("+", " + ", "+", " + ", " plus ", " plus ", " and ", "  +  ", "＋"),
    "-": ("-", " - ", "-", " - ", " minus ", " minus ", "−", " − ", " – ", " take away ", "–", " less "),
    "*": (
        "*",
        " * ",
        "x",
        " x ",
        "×",
        " × ",
        "·",
        " · ",
        " times ",
        " times ",
        " X ",
        " multiplied by ",
        " \\times ",
        "⋅",
    ),
    "/": (
        "/",
        " / ",
        "/",
        " / ",
        "÷",
        " ÷ ",
        " ÷ ",
        ":",
        " : ",
        " divided by ",
        " divided by ",
        " over ",
        " \\div ",
        "∕",
    ),
}


def addition(source: Source) -> Problem:
    kind = source.rng.random()
    if kind < 0.1:
        return _sum_of_several(source)
    a, b = (source.number(4), source.number(4)) if kind < 0.14 else (source.number(6), source.number(6))
    if kind < 0.14:
        a, b = source.rng.choice(((-a, b), (a, -b), (-a, -b)))
    question = _ask(source, "add", ("sum",), "+", a, b)
    return _problem("add", question, signed_lines(a, b), str(a + b), calculation_key(a, "+", b))


def subtraction(source: Source) -> Problem:
    kind = source.rng.random()
    if kind < 0.06:
        return _chain(source, "+--")
    a, b = source.number(6), source.number(6)
    if kind < 0.1:
        a, b = source.rng.choice(((-(a % 10000), b % 10000), (a % 10000, -(b % 10000))))
        question = _ask(source, "sub", ("difference",), "-", a, b)
        return _problem("sub", question, _difference_lines(a, b), str(a - b), calculation_key(a, "-", b))
    if a < b and source.chance(0.6):  # which leaves one in five with a negative result
        a, b = b, a
    kinds = ("difference", "difference", "distance") if a >= b else ("difference",)
    question = _ask(source, "sub", kinds, "-", a, b)
    return _problem("sub", question, sub_lines(a, b), str(a - b), calculation_key(a, "-", b))


def multiplication(source: Source) -> Problem:
    kind = source.rng.random()
    if kind < 0.04:
        return _product_of_three(source)
    if kind < 0.08:
        name, a, b = source.rng.choice(
            (("twice", source.number(4), 2), ("triple", source.number(4), 3), ("square", 0, 0))
        )
        if name == "square":
            a = b = source.number(3)
        question = source.phrase(*_PHRASES["mul"][name]).format(a=a)
    else:
        a, b = source.number(4), source.number(3)
        if source.chance(0.5):
            a, b = b, a
        question = _ask(source, "mul", ("product",), "*", a, b)
    return _problem("mul", question, mul_lines(a, b), str(a * b), calculation_key(a, "*", b))


def division(source: Source) -> Problem:
    a, b = source.number(5), source.number(2)
    b = b or source.rng.randint(1, 9)
    kind = source.rng.choices(("both", "quotient", "remainder", "divisible", "half"), (64, 12, 14, 8, 2))[0]
    if kind == "half":
        b = 2
        a -= a % 2
    elif source.chance(0.5 if kind == "divisible" else 0.25):
        a -= a % b
    told = source.split == "train" and source.chance(0.35)
    if told:
        kind = source.rng.choices(("both", "quotient", "remainder", "divisible", "left"), (30, 25, 20, 14, 11))[0]
        b = 12 if source.chance(0.06) else b if b > 1 else source.rng.randint(2, 12)
        a += b if a < 2 else 0
        if source.chance(0.4 if kind in ("divisible", "left") else 0.1):
            a = a - a % b if a > b else b * source.rng.randint(1, 30)
    quotient, remainder = divmod(a, b)
    lines = div_lines(a, b)
    answer = f"{quotient} remainder {remainder}" if remainder else str(quotient)
    if kind == "both":
        question = share_story(source, kind, a, b) if told else _ask(source, "div", ("both",), "/", a, b)
    else:
        if told:
            question = share_story(source, kind, a, b)
        else:
            a_text, b_text = _written(source, a, b)
            question = source.phrase(*_PHRASES["div"][kind]).format(a=a_text, b=b_text)
        if kind == "quotient":
            answer = str(quotient)
            lines.append(f" quotient {answer}")
        elif kind == "remainder":
            answer = str(remainder)
            lines.append(f" remainder {answer}")
        elif kind == "divisible":
            answer = "no" if remainder else "yes"
            lines.append(f" remainder {remainder}: {answer}")
        elif kind == "left":
            answer = "yes" if remainder else "no"
            lines.append(f" left over {remainder}: {answer}")
    return _problem("div", question, lines, answer, calculation_key(a, "/", b))


def _problem(family: str, question: str, lines: list[str], answer: str, key: str) -> Problem:
    return Problem.ask(family, question, "\n".join(lines), answer, [key, *contained_keys(lines)])


def _difference_lines(a: int, b: int) -> list[str]:
    """a-b when one of them may be negative: what it comes to is said first when that is another calculation."""
    if b >= 0:
        return signed_lines(a, -b)
    turned = f"{a}-({b})={a}+{-b}"
    lines = signed_lines(a, -b)
    return [f"{turned}={a - b}"] if len(lines) == 1 else [turned, *lines]


def _sum_of_several(source: Source) -> Problem:
    if source.chance(0.5):
        return _chain(source, "+")
    numbers = [source.number(4) for _ in range(3 + source.chance(0.3))]
    question = source.phrase(*_PHRASES["add"]["sum of several"]).format(list=as_list(list(map(str, numbers)), source))
    return _chain_problem("add", question, numbers, "+" * (len(numbers) - 1))


def _chain(source: Source, signs: str) -> Problem:
    """Several numbers with these signs between them."""
    numbers = [source.number(4) for _ in range(3 + source.chance(0.3))]
    signs = [signs[-1], *(source.rng.choice(signs) for _ in numbers[2:])]
    source.rng.shuffle(signs)
    if "-" in signs and numbers[0] < max(numbers) and source.chance(0.6):
        numbers.sort(reverse=True)
    spaced = {sign: source.rng.choice(_SIGNS[sign][:4]) for sign in "+-"}
    if source.chance(0.15):
        spaced = {"+": " plus ", "-": " minus "}
    text = str(numbers[0]) + "".join(spaced[sign] + str(number) for sign, number in zip(signs, numbers[1:]))
    family = "sub" if "-" in signs else "add"
    return _chain_problem(family, _ask_for(source, text), numbers, signs)


def _chain_problem(family: str, question: str, numbers: list[int], signs) -> Problem:
    expression = str(numbers[0]) + "".join(f"{sign}{number}" for sign, number in zip(signs, numbers[1:]))
    lines = [expression]
    total = numbers[0]
    for sign, number in zip(signs, numbers[1:]):
        number = number if sign == "+" else -number
        lines += signed_lines(total, number)
        total += number
    return _problem(family, question, lines, str(total), f"{family}:{expression}")


def _product_of_three(source: Source) -> Problem:
    a, b, c = source.number(2), source.number(1), source.number(2)
    sign = source.rng.choice(_SIGNS["*"][:8])
    lines = [f"{a}*{b}*{c}", *mul_lines(a, b), *mul_lines(a * b, c)]
    question = _ask_for(source, f"{a}{sign}{b}{sign}{c}")
    return _problem("mul", question, lines, str(a * b * c), f"mul:{a}*{b}*{c}")


def _ask(source: Source, family: str, kinds: tuple[str, ...], operator: str, a: int, b: int) -> str:
    """A question for two numbers: as an expression, alone or in a sentence, or in words of the family's own."""
    if source.split == "train" and family != "div" and min(a, b) >= 0 and source.chance(0.25):
        return _spoken(source, family, operator, a, b)
    a_text, b_text = _written(source, a, b)
    if source.chance(0.45):
        return source.phrase(*_PHRASES[family][source.rng.choice(kinds)]).format(a=a_text, b=b_text)
    sign = source.rng.choice(_SIGNS[operator])
    if b < 0 and not (sign.strip().isalpha() or source.chance(0.2)):
        b_text = f"({b_text})"
    if a_text.isalpha() or "-" in a_text[1:]:  # numbers in words go with words
        sign = {"+": " plus ", "-": " minus ", "*": " times ", "/": " divided by "}[operator]
    return _ask_for(source, f"{a_text}{sign}{b_text}")


_PLURALS = "twos threes fours fives sixes sevens eights nines tens elevens twelves".split()
_SEVERAL_SIGNS = {"+": ("+", " + ", " plus "), "-": ("-", " - ", " minus "), "*": ("*", "x", " x ", " × ", "×", " times ")}


def _spoken(source: Source, family: str, operator: str, a: int, b: int) -> str:
    """Two numbers with names, in rows, as a claim that is wrong, or asked for twice; only for training."""
    sections = [family, family, "wrong"] if b or family != "sub" else [family, "wrong"]
    if family == "add":
        sections += ["add.labels"] * 3
    if family == "sub" and a >= b:
        sections += ["sub.labels", "sub.labels", "sub.down"]
    if family == "mul" and 2 <= b <= 12:
        sections += ["mul.table"]
    if family == "mul":
        sections += ["mul.twice"]
    section = source.rng.choice(sections)
    value = {"+": a + b, "-": a - b, "*": a * b}[operator]
    wrong = abs(value) + source.rng.choice((1, -1, 2, 3, 9, 10, -10, 11, 20, -2, 100))
    if wrong in (value, -1) or wrong < 0:
        wrong = abs(value) + 13
    sign = source.rng.choice(_SEVERAL_SIGNS[operator])
    first, second = source.rng.choice(_LABELS).split("/")
    names = {"p": first, "q": second, "P": capitalised(first), "Q": capitalised(second)}
    plural = _PLURALS[b - 2] if 2 <= b <= 12 else ""
    return _SPOKEN.pick(source, section).format(a=a, b=b, e=f"{a}{sign}{b}", w=wrong, bs=plural, **names)


_LABELS = (
    "counter A/counter B",
    "counter 1/counter 2",
    "meter A/meter B",
    "gate 1/gate 2",
    "line A/line B",
    "the first shelf/the second shelf",
    "Monday/Tuesday",
    "Saturday/Sunday",
    "January/February",
    "morning/afternoon",
    "day shift/night shift",
    "north/south",
    "team red/team blue",
    "hall 1/hall 2",
    "box A/box B",
    "left/right",
    "today/yesterday",
    "page 1/page 2",
    "sensor A/sensor B",
    "the old store/the new store",
    "tank 1/tank 2",
    "row 1/row 2",
    "part one/part two",
    "week one/week two",
    "van 1/van 2",
    "class A/class B",
    "the first batch/the second batch",
    "machine A/machine B",
)


def _ask_for(source: Source, expression: str) -> str:
    kind = "bare" if source.chance(0.25) else "expression"
    return source.phrase(*_EXPRESSION[kind]).format(e=expression)


def _written(source: Source, *numbers: int) -> list[str]:
    """The numbers as a person writes them: in digits, sometimes with commas between thousands, seldom in words."""
    style = source.rng.random()
    if style < 0.06:
        return [f"{number:,}" for number in numbers]
    if style < 0.10 and all(0 <= number < 100 for number in numbers):
        return [in_words(number) for number in numbers]
    return [str(number) for number in numbers]


# -- the check of the work ----------------------------------------------------------------------------------------------


def check(problem: Problem) -> str | None:
    """The calculations are those that the problem's key names, each goes on from the last one, and the answer is theirs."""
    lines = problem.thinking.split("\n")
    expression = problem.keys[0].partition(":")[2]
    numbers = re.findall(r"\d+", expression)
    chained = len(numbers) > 2
    if chained and sorted(re.findall(r"\d+", lines[0])) != sorted(numbers):
        return f"'{lines[0]}' is not the task {expression}"
    work = lines[1:] if chained else lines
    if lines[-1].startswith(" "):
        work = work[:-1]
    found = read_work(work)
    if len(found) != (len(numbers) - 1) + (not chained and "-(-" in lines[0] and len(lines) > 1):
        return f"{len(found)} calculations for the task {expression}"
    if chained:
        so_far = numbers[0]
        for number, calculation in zip(numbers[1:], found):
            if sorted(re.findall(r"\d+", calculation.text)) != sorted((so_far, number)):
                return f"{calculation.text} is not about {so_far} and {number}"
            so_far = str(abs(calculation.value))
    if "--" in expression and not lines[0].startswith(expression.replace("--", "-(-") + ")="):
        return f"'{lines[0]}' is not the task {expression}"
    value = evaluate(re.sub(r"([-+])(-\d+)", r"\1(\2)", expression))
    if problem.family == "div":
        return _check_division(problem, lines[-1], found[-1], value)
    if not chained and sorted(re.findall(r"\d+", found[0].text))[:2] != sorted(numbers):
        return f"{found[0].text} is not the task {expression}"
    if found[-1].value != value or problem.answer != str(value):
        return f"the answer to {expression} is {value}, not {problem.answer}"
    return None


def _check_division(problem: Problem, last: str, found, value) -> str | None:
    if problem.keys[0] != f"div:{found.text}":
        return f"{found.text} is not the task {problem.keys[0]}"
    quotient, remainder = int(value), found.remainder
    answers = {
        "=": f"{quotient} remainder {remainder}" if remainder else str(quotient),
        " quotient": str(quotient),
        " remainder": str(remainder),
    }
    if ":" in last:
        left = last.startswith(" left over ")  # which asks the other way round
        wanted = "yes" if left == (remainder > 0) else "no"
        right = last == f"{' left over' if left else ' remainder'} {remainder}: {wanted}" and problem.answer == wanted
    else:
        word = "=" if last.startswith("=") else last.rpartition(" ")[0]
        right = problem.answer == answers.get(word) and (word == "=" or last == f"{word} {problem.answer}")
    return None if right else f"'{problem.answer}' does not follow from '{last}'"


FAMILIES = {"add": addition, "sub": subtraction, "mul": multiplication, "div": division}
CHECKS = {family: check for family in FAMILIES}
