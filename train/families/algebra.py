"""Equations in one unknown and pairs of equations in two: `equation` and `system`, both with whole solutions."""

from __future__ import annotations

from equation_check import check
from equation_text import STYLES, STYLES_WITH_TIMES, plus, term
from families.equation_forms import another_equation
from families.goods import two_goods
from families.pair_stories import pair_story
from families.pairs import Row, name_of, solve_pair
from families.riddles import riddle, said
from phrasings import load_phrasings
from problem import Problem, Source
from steps import Work, isolate, move_constant

EQUATIONS = load_phrasings("equation")
SYSTEMS = load_phrasings("pair_of_equations")

LETTERS = "xxxxxxyyznnabcdghkmpqrstuvwx"
LETTER_PAIRS = (
    "xy",
    "xy",
    "xy",
    "xy",
    "xy",
    "ab",
    "mn",
    "pq",
    "st",
    "uv",
    "cd",
    "rs",
    "yz",
    "xz",
    "hk",
    "gh",
)


# -- one unknown --------------------------------------------------------------------------------------------------------


def some_root(source: Source) -> int:
    choice = source.rng.random()
    if choice < 0.15:
        return source.rng.randint(-20, -1)
    return (
        source.rng.randint(0, 20)
        if choice < 0.5
        else source.rng.randint(0, 50) if choice < 0.8 else source.number(3)
    )


def some_coefficient(source: Source) -> int:
    choice = source.rng.random()
    return source.rng.randint(2, 9 if choice < 0.5 else 12 if choice < 0.8 else 25 if choice < 0.93 else 99)


def some_constant(source: Source) -> int:
    """Not 0."""
    return source.number(
        1 + (source.rng.random() < 0.75) + (source.rng.random() < 0.35)
    ) or source.rng.randint(1, 9)


def linear(source: Source, letter: str):
    """ax+b=c, written in one of the usual orders."""
    root, a, b = some_root(source), some_coefficient(source), some_constant(source)
    if source.chance(0.45):
        b = -b
    if source.chance(0.08):
        a = -a
    c = a * root + b
    constant_first = b > 0 and source.chance(0.25) or a < 0 and b > 0
    left = f"{b}{'+' if a > 0 else ''}{term(a, letter)}" if constant_first else f"{term(a, letter)}{plus(b)}"
    work = Work(f"{left}={c}")
    right, value = move_constant(work, term(a, letter), b, c)
    isolate(work, letter, a, right, value)
    return _shown_turned(source, left, str(c)), work, root


def scaled(source: Source, letter: str):
    """ax=c."""
    root, a = some_root(source), some_coefficient(source)
    if source.chance(0.08):
        a = -a
    work = Work(f"{term(a, letter)}={a * root}")
    isolate(work, letter, a, str(a * root), a * root)
    return _shown_turned(source, term(a, letter), str(a * root)), work, root


def shifted(source: Source, letter: str):
    """x+b=c."""
    root = some_root(source)
    b = some_constant(source) * (1 if source.chance(0.55) else -1)
    constant_first = b > 0 and source.chance(0.3)
    left = f"{b}+{letter}" if constant_first else letter + plus(b)
    c = root + b
    work = Work(f"{left}={c}")
    right, value = move_constant(work, letter, b, c)
    isolate(work, letter, 1, right, value)
    return _shown_turned(source, left, str(c)), work, root


def divided(source: Source, letter: str):
    """x/a=c or x/a+b=c."""
    a = source.rng.randint(2, 12) if source.chance(0.85) else source.rng.randint(13, 40)
    quotient = (
        source.rng.randint(1, 25)
        if source.chance(0.8)
        else source.rng.choice((-1, 1)) * source.rng.randint(1, 99)
    )
    b = some_constant(source) * (1 if source.chance(0.6) else -1) if source.chance(0.6) else 0
    constant_first = b > 0 and source.chance(0.15)
    left = f"{b}+{letter}/{a}" if constant_first else f"{letter}/{a}{plus(b)}"
    c = quotient + b
    work = Work(f"{left}={c}")
    right, value = move_constant(work, f"{letter}/{a}", b, c)
    if right != str(value):
        work.say(f"{letter}/{a}={value}")
    work.say(f"{letter}={value}*{a}")
    root = work.multiply(value, a)
    work.say(f"{letter}={root}")
    return _shown_turned(source, left, str(c)), work, root


def bracket(source: Source, letter: str):
    """a(x+b)=c."""
    root, a = some_root(source), source.rng.randint(2, 12)
    b = source.rng.randint(1, 20) * (1 if source.chance(0.6) else -1)
    inner = letter + plus(b)
    if b > 0 and source.chance(0.1):
        inner = f"{b}+{letter}"
    c = a * (root + b)
    left = f"{a}({inner})"
    work = Work(f"{left}={c}", f"{inner}={c}/{a}")
    quotient = work.divide(c, a)
    work.say(f"{inner}={quotient}")
    right, value = move_constant(work, letter, b, quotient)
    isolate(work, letter, 1, right, value)
    return _shown_turned(source, left, str(c)), work, root


def over(source: Source, letter: str):
    """(x+b)/a=c."""
    a, c = source.rng.randint(2, 12), source.rng.randint(1, 25)
    b = source.rng.randint(1, 30) * (1 if source.chance(0.6) else -1)
    left = f"({letter}{plus(b)})/{a}"
    work = Work(f"{left}={c}", f"{letter}{plus(b)}={c}*{a}")
    product = work.multiply(c, a)
    work.say(f"{letter}{plus(b)}={product}")
    right, value = move_constant(work, letter, b, product)
    isolate(work, letter, 1, right, value)
    return _shown_turned(source, left, str(c)), work, value


def on_both_sides(source: Source, letter: str):
    """ax+b=dx+e."""
    rng = source.rng
    root = rng.randint(-12, 25)
    a, d = rng.randint(1, 15), rng.randint(1, 12) * (1 if source.chance(0.9) else -1)
    if a == d:
        a += 1
    b = some_constant(source) * (1 if source.chance(0.6) else -1) if source.chance(0.9) else 0
    e = (a - d) * root + b
    equation = f"{term(a, letter)}{plus(b)}={term(d, letter)}{plus(e)}"
    work = Work(equation)
    moved = f"{term(a, letter)}{'-' if d > 0 else '+'}{term(abs(d), letter)}"
    work.say(f"{moved}={e}{plus(-b)}")
    difference = work.subtract(a, d) if d > 0 else work.add(a, -d)
    value = e if b == 0 else work.subtract(e, b) if b > 0 else work.add(e, -b)
    work.say(f"{term(difference, letter)}={value}")
    isolate(work, letter, difference, str(value), value)
    return equation, work, root


def _shown_turned(source: Source, left: str, right: str) -> str:
    """The equation as asked: now and then with its sides exchanged; the work always has the unknown on the left."""
    return f"{right}={left}" if source.chance(0.1) else f"{left}={right}"


SYMBOLIC = (
    (linear,) * 9
    + (scaled,) * 2
    + (shifted,) * 3
    + (divided,) * 3
    + (bracket,) * 3
    + (over,)
    + (on_both_sides,) * 4
)


BLANKS = ("?", "?", "_", "__", "___", "____", "[ ]", "( )", "...", "□", "☐", "■")


def with_blank(source: Source) -> Problem:
    """4 * __ = 60: the unknown is a place to fill in."""
    equation, work, root = source.rng.choice((linear, scaled, shifted, shifted, divided))(source, "x")
    shown = (
        source.rng.choice(STYLES_WITH_TIMES).in_this_style(equation).replace("x", source.rng.choice(BLANKS))
    )
    question = source.phrase(*EQUATIONS["blank"]).format(e=shown)
    return work.problem("equation", question, str(root), work.lines[0])


def symbolic(source: Source) -> Problem:
    letter = source.rng.choice(LETTERS)
    equation, work, root = source.rng.choice(SYMBOLIC)(source, letter)
    kind = "bare" if source.chance(0.2) else "solve"
    shown = source.rng.choice(STYLES).in_this_style(equation)
    question = source.phrase(*EQUATIONS[kind]).format(e=shown, v=letter).replace("\\n", "\n")
    return work.problem("equation", question, f"{letter} = {root}", work.lines[0].replace(letter, "x"))


def worded(source: Source) -> Problem:
    """An equation told in words; its name is that of the equation that it says."""
    rng = source.rng
    kind = rng.choice(
        (
            "times plus",
            "times plus",
            "times minus",
            "times minus",
            "plus",
            "minus",
            "times",
            "over",
            "bracket",
        )
    )
    root = source.number(2) if source.chance(0.85) else source.number(3)
    a = rng.randint(2, 12)
    b = rng.randint(1, 50) if source.chance(0.8) else rng.randint(51, 300)
    if kind == "over":
        root *= a
        left, c = f"x/{a}", root // a
    elif kind == "bracket":
        left, c = f"{a}(x+{b})", a * (root + b)
    else:
        a = a if kind.startswith("times") else 1
        b = 0 if kind == "times" else -b if kind.endswith("minus") else b
        left, c = f"{term(a, 'x')}{plus(b)}", a * root + b
    if c < 0:
        root, c = root - c, a * (root - c) + b
    work = Work(f"{left}={c}")
    if kind == "over":
        work.say(f"x={c}*{a}")
        root = work.multiply(c, a)
        work.say(f"x={root}")
    elif kind == "bracket":
        work.say(f"x+{b}={c}/{a}")
        quotient = work.divide(c, a)
        work.say(f"x+{b}={quotient}")
        isolate(work, "x", 1, *move_constant(work, "x", b, quotient))
    else:
        isolate(work, "x", a, *move_constant(work, term(a, "x"), b, c))
    question = source.phrase(*EQUATIONS[kind]).format(b=abs(b), c=c, **said(a))
    return work.problem("equation", question, str(root), work.lines[0])


def equation(source: Source) -> Problem:
    if source.split == "train" and source.chance(0.06):
        return riddle(source)
    if source.split == "train" and source.chance(0.2):
        return another_equation(source)
    choice = source.rng.random()
    return worded(source) if choice < 0.22 else with_blank(source) if choice < 0.26 else symbolic(source)


# -- two unknowns -------------------------------------------------------------------------------------------------------

def some_rows(source: Source) -> tuple[Row, Row]:
    rng = source.rng
    small = source.chance(0.35)
    while True:
        x, y = rng.randint(-9, 12), rng.randint(-9, 12)
        if source.chance(0.5):
            x, y = abs(x), abs(y)
        limit = 3 if small else 9
        a, b, d, e = (rng.randint(1, limit) for _ in range(4))
        if source.chance(0.25):
            a = d = 1
        if source.chance(0.55):
            b = -b
        if source.chance(0.35):
            e = -e
        if source.chance(0.06):
            d = -d
        rows = (a, b, a * x + b * y), (d, e, d * x + e * y)
        if a * e != d * b and max(abs(rows[0][2]), abs(rows[1][2])) < (100 if source.chance(0.97) else 200):
            return rows


def symbolic_pair(source: Source) -> Problem:
    letters = source.rng.choice(LETTER_PAIRS)
    x, y = letters
    choice = source.rng.random()
    first, second = some_rows(source)
    if choice < 0.12:  # y = ax + b beside another equation
        a, b = source.rng.randint(-6, 6) or 2, source.rng.randint(-12, 12)
        root = source.rng.randint(-6, 9)
        d, e = second[0], second[1]
        if d + e * a == 0:
            d += 1
        first, second = (-a, 1, b), (d or 1, e, (d or 1) * root + e * (a * root + b))
        if first[0] * second[1] == second[0] * first[1] or abs(second[2]) > 99 or second[1] == 0:
            return symbolic_pair(source)
        equations = [f"{y}={term(a, x)}{plus(b)}", _equation(second, letters)]
    elif choice < 0.18:  # x = y + b
        b = source.rng.randint(1, 12) * source.rng.choice((-1, 1))
        if second[0] + second[1] == 0:
            return symbolic_pair(source)
        root = source.rng.randint(-9, 12)
        first, second = (1, -1, b), (second[0], second[1], second[0] * (root + b) + second[1] * root)
        equations = [f"{x}={y}{plus(b)}", _equation(second, letters)]
    else:
        equations = [_equation(first, letters), _equation(second, letters)]
    if source.chance(0.2) and choice < 0.18:
        equations.reverse()
        first, second = second, first
    work, u, v = solve_pair(first, second, letters)
    work.say(f"{x}={u},{y}={v}")
    style = source.rng.choice(STYLES)
    one, two = (style.in_this_style(text) for text in equations)
    kind = "bare" if source.chance(0.15) else "solve"
    joined = (
        one
        + source.rng.choice((" and ", "\n", "; ", ", ", " and ", ", ", "\n", " , ", ", and ", " & ", ";"))
        + two
    )
    question = source.phrase(*SYSTEMS[kind]).format(s=joined, v=x, w=y).replace("\\n", "\n")
    return work.problem("system", question, f"{x} = {u}, {y} = {v}", name_of(first, second))


def _equation(row: Row, letters: str) -> str:
    a, b, c = row
    return f"{term(a, letters[0])}{'+' if b > 0 else ''}{term(b, letters[1])}={c}"


def two_numbers(source: Source) -> Problem:
    """Sum and difference, or sum and multiple."""
    rng = source.rng
    kind = rng.choice(("sum and difference", "sum and difference", "sum and multiple", "people"))
    small = rng.randint(1, 40)
    if kind == "sum and multiple":
        times = rng.randint(2, 6)
        small = rng.randint(1, 15)
        large = small * times
        rows = (1, 1, large + small), (1, -times, 0)
    else:
        large = small + rng.randint(1, 40)
        times = 0
        rows = (1, 1, large + small), (1, -1, large - small)
    asked = rng.choice(("larger", "smaller", "both"))
    work, u, v = solve_pair(*rows, "xy", only_first=asked == "larger")
    if asked == "both":
        work.say(f"{u} and {v}")
    answer = f"{u} and {v}" if asked == "both" else str(u if asked == "larger" else v)
    one, two = _two_names(source)
    question = source.phrase(*SYSTEMS[f"{kind}: {asked}"]).format(
        s=large + small, d=large - small, k=times, times=_times(times), one=one, two=two
    )
    return work.problem("system", question, answer, name_of(*rows))


def _times(number: int) -> str:
    return ("", "", "twice", "three times", "four times", "five times", "six times")[number]


TRAIN_NAMES = "Anna Ben Carla David Emma Finn Grace Hugo Iris Jack Kate Leo Mia Noah Olga Paul Rosa Sam Tina Victor".split()
TEST_NAMES = "Amir Bella Dora Erik Gina Ivan Julia Karl Lena Max Nadia Oscar".split()


def _two_names(source: Source) -> list[str]:
    return source.rng.sample(TRAIN_NAMES if source.split == "train" else TEST_NAMES, 2)


def purchases(source: Source) -> Problem:
    """Two pens and three books cost 16, five pens and a book cost 14."""
    rng = source.rng
    p, q = rng.randint(1, 12), rng.randint(1, 12)
    while True:
        a, b, d, e = (rng.randint(1, 5) for _ in range(4))
        if a * e != d * b:
            break
    rows = (a, b, a * p + b * q), (d, e, d * p + e * q)
    one, two = two_goods(source)
    asked = rng.choice(("first", "second", "both", "both"))
    work, u, v = solve_pair(*rows, "xy", only_first=asked == "first")
    answer = f"one {one}: {u}, one {two}: {v}" if asked == "both" else str(u if asked == "first" else v)
    if asked == "both":
        work.say(f" {answer}")
    question = source.phrase(*SYSTEMS[f"goods: {asked}"]).format(
        A=_counted(a, one),
        B=_counted(b, two),
        C=rows[0][2],
        D=_counted(d, one),
        E=_counted(e, two),
        F=rows[1][2],
        one=one,
        two=two,
    )
    return work.problem("system", question, answer, name_of(*rows))


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def tickets(source: Source) -> Problem:
    """So many things of two prices, so much in all: tickets, notes, animals with two and four legs."""
    rng = source.rng
    kind = rng.choice(("tickets", "tickets", "notes", "animals"))
    x, y = rng.randint(1, 20), rng.randint(1, 20)
    p, q = rng.sample(range(2, 13), 2)
    if kind == "notes":
        p, q = rng.choice(((2, 5), (5, 10), (10, 5), (5, 20), (10, 20), (5, 2), (2, 10), (20, 5)))
    if kind == "animals":
        p, q = rng.choice(((2, 4), (4, 2)))
    elif p < q and kind == "tickets":
        p, q = q, p  # the first are the adults'
    rows = (1, 1, x + y), (p, q, p * x + q * y)
    asked = rng.choice(("first", "second"))
    work, u, v = solve_pair(*rows, "xy", only_first=asked == "first")
    animals = {
        2: ("chickens", "ducks", "geese", "hens"),
        4: ("cows", "pigs", "goats", "rabbits", "sheep", "horses"),
    }
    one, two = (rng.choice(animals[legs]) for legs in (p, q)) if kind == "animals" else ("", "")
    question = source.phrase(*SYSTEMS[f"{kind}: {asked}"]).format(
        n=x + y, p=p, q=q, t=rows[1][2], one=one, two=two
    )
    return work.problem("system", question, str(u if asked == "first" else v), name_of(*rows))


SYSTEM_KINDS = (symbolic_pair,) * 8 + (two_numbers, purchases) * 2 + (tickets,)


def system(source: Source) -> Problem:
    if source.split == "train" and source.chance(0.15):
        return pair_story(source)
    return source.rng.choice(SYSTEM_KINDS)(source)


FAMILIES = {"equation": equation, "system": system}
CHECKS = {"equation": check, "system": check}
