"""More forms of equations in one unknown, and more ways to say them: only for training, as part of `equation`."""

from __future__ import annotations

from equation_text import STYLES, plus, term
from families.riddles import said
from phrasings import in_words, load_phrasings
from problem import Problem, Source
from steps import Work, isolate, move_constant
from storybook import Storybook

_WAYS = Storybook("equation_forms.txt")
_USUAL = [way for kind in ("bare", "solve", "solve", "solve") for way in load_phrasings("equation")[kind][0]]
_LETTERS = "xxxynnabcdghkmpqrstuvwz"


# -- symbolic: each gives the equation as shown, its work, its root -----------------------------------------------------


def _constant(source: Source) -> int:
    return source.rng.randint(1, 30 if source.chance(0.8) else 99) * source.rng.choice((-1, 1))


def _part(source: Source, letter: str):
    """2t/3=12, (2/3)t=12, 2t/3+5=17."""
    rng = source.rng
    above, below = rng.randint(2, 9), rng.randint(2, 9)
    below += above == below
    quotient = above * rng.randint(1, 15)
    b = _constant(source) if source.chance(0.3) else 0
    left = f"{above}{letter}/{below}"
    work = Work(f"{left}{plus(b)}={quotient + b}")
    right, _ = move_constant(work, left, b, quotient + b)
    if right != str(quotient):
        work.say(f"{left}={quotient}")
    work.say(f"{term(above, letter)}={quotient}*{below}")
    root = isolate(work, letter, above, "", work.multiply(quotient, below))
    shown = rng.choice((left, left, f"({above}/{below}){letter}", f"({above}{letter})/{below}"))
    return f"{shown}{plus(b)}", str(quotient + b), work, root


def _repeated(source: Source, letter: str):
    """x+x+x=51, x+x+5=21."""
    times, root = source.rng.choice((2, 2, 3, 3, 4, 5)), source.rng.randint(1, 60)
    b = _constant(source) if source.chance(0.55) else 0
    return _gathered(source, letter, [1] * times, b, root)


def _alike(source: Source, letter: str):
    """3x+2x=40, 5x-2x+4=22."""
    rng = source.rng
    first, second = rng.randint(2, 9), rng.randint(1, 6) * rng.choice((-1, 1, 1))
    if first + second < 2:
        second = -second
    b = _constant(source) if source.chance(0.45) else 0
    return _gathered(source, letter, [first, second], b, rng.randint(1, 30))


def _gathered(source: Source, letter: str, coefficients: list[int], b: int, root: int):
    a = sum(coefficients)
    c = a * root + b
    terms = [term(coefficient, letter) for coefficient in coefficients]
    left = terms[0] + "".join(one if one[0] == "-" else "+" + one for one in terms[1:])
    work = Work(f"{left}{plus(b)}={c}", f"{term(a, letter)}{plus(b)}={c}")
    right, value = move_constant(work, term(a, letter), b, c)
    isolate(work, letter, a, right, value)
    shown = f"{b}+{left}" if b > 0 and source.chance(0.2) else f"{left}{plus(b)}"
    return shown, str(c), work, root


def _bracket_and_more(source: Source, letter: str):
    """2(x-3)+4=20."""
    rng = source.rng
    a, b, quotient = rng.randint(2, 9), _constant(source), rng.randint(1, 30)
    extra = _constant(source)
    left = f"{a}({letter}{plus(b)})"
    c = a * quotient + extra
    work = Work(f"{left}{plus(extra)}={c}")
    move_constant(work, left, extra, c)
    work.say(f"{left}={a * quotient}", f"{letter}{plus(b)}={a * quotient}/{a}")
    work.divide(a * quotient, a)
    work.say(f"{letter}{plus(b)}={quotient}")
    root = isolate(work, letter, 1, *move_constant(work, letter, b, quotient))
    shown = f"{extra}+{left}" if extra > 0 and source.chance(0.3) else f"{left}{plus(extra)}"
    return shown, str(c), work, root


def _bracket_opposite(source: Source, letter: str):
    """5x=3(x+4)."""
    rng = source.rng
    while True:
        d, e, k = rng.randint(2, 8), rng.randint(1, 20), rng.randint(1, 6)
        if d * e % k == 0:
            break
    work = Work(f"{term(d + k, letter)}={d}({letter}+{e})")
    product = work.multiply(d, e)
    work.say(f"{term(d + k, letter)}={d}{letter}+{product}", f"{term(d + k, letter)}-{d}{letter}={product}")
    work.say(f"{term(k, letter)}={product}")
    root = isolate(work, letter, k, str(product), product)
    return term(d + k, letter), f"{d}({letter}+{e})", work, root


def _taken_from(source: Source, letter: str):
    """20-3x=5."""
    a, root, c = source.rng.choice((1, 1, 1, 2, 3, 4, 5, 7)), source.rng.randint(1, 40), source.rng.randint(1, 60)
    b = a * root + c
    work = Work(f"{b}-{term(a, letter)}={c}", f"{term(a, letter)}={b}-{c}")
    isolate(work, letter, a, f"{b}-{c}", work.subtract(b, c))
    return f"{b}-{term(a, letter)}", str(c), work, root


def _plain(source: Source, letter: str):
    """17=3n-4: mostly shown with the unknown on the right."""
    a, b, root = source.rng.randint(1, 12), _constant(source), source.rng.randint(0, 40)
    c = a * root + b
    work = Work(f"{term(a, letter)}{plus(b)}={c}")
    right, value = move_constant(work, term(a, letter), b, c)
    isolate(work, letter, a, right, value)
    return f"{term(a, letter)}{plus(b)}", str(c), work, root


def _two_sided(source: Source, letter: str):
    """7+5x=19+2x, 5x-3=2x+9."""
    rng = source.rng
    d, k, b, root = rng.randint(1, 8), rng.randint(1, 7), _constant(source), rng.randint(1, 20)
    a, e = d + k, k * root + b
    left, right = f"{term(a, letter)}{plus(b)}", f"{term(d, letter)}{plus(e)}"
    work = Work(f"{left}={right}", f"{term(a, letter)}-{term(d, letter)}={e}{plus(-b)}")
    work.subtract(a, d)
    value = work.subtract(e, b) if b > 0 else work.add(e, -b)
    work.say(f"{term(k, letter)}={value}")
    isolate(work, letter, k, str(value), value)
    if b > 0 and source.chance(0.4):
        left = f"{b}+{term(a, letter)}"
    if e > 0 and source.chance(0.4):
        right = f"{e}+{term(d, letter)}"
    return left, right, work, root


_FORMS = (
    (_part,) * 4
    + (_repeated,) * 4
    + (_alike, _bracket_and_more, _bracket_opposite, _taken_from) * 2
    + (_plain,) * 3
    + (_two_sided,) * 2
)


def _symbolic(source: Source) -> Problem:
    letter = source.rng.choice(_LETTERS)
    form = source.rng.choice(_FORMS)
    left, right, work, root = form(source, letter)
    name, asked = work.lines[0].replace(letter, "x"), f"{left}={right}"
    if asked != work.lines[0]:  # the work begins with the equation as it is asked
        work.lines[: form is not _part] = [asked]
    if source.chance(0.8 if form is _plain else 0.3):
        left, right = right, left
    shown = source.rng.choice(STYLES).in_this_style(f"{left}={right}")
    way = source.rng.choice(_USUAL) if source.chance(0.4) else _WAYS.pick(source, "solve")
    question = way.format(e=shown, v=letter).replace("\\n", "\n")
    return work.problem("equation", question, f"{letter} = {root}", name)


# -- in words -----------------------------------------------------------------------------------------------------------

_KINDS = "times.plus times.plus times.plus times.minus times.minus times.minus plus minus times".split()
_KINDS += "over.plus over.minus parts parts same".split()


def _worded(source: Source) -> Problem:
    rng = source.rng
    kind = rng.choice(_KINDS)
    a = rng.randint(2, 3) if source.chance(0.5) else rng.randint(2, 12)
    b = rng.randint(1, 50)
    n, k = 0, 0
    root = rng.randint(1, 40) if source.chance(0.8) else source.number(3)
    if kind == "parts":
        a = max(a, 3)
        n = rng.randint(2, a - 1) if a > 3 else 2
        c = n * rng.randint(1, 20)
        work = Work(f"{n}x/{a}={c}", f"{n}x={c}*{a}")
        root = isolate(work, "x", n, "", work.multiply(c, a))
    elif kind == "same":
        k = rng.randint(2, 5)
        c = k * root
        work = Work(f"{'+'.join('x' * k)}={c}", f"{k}x={c}")
        isolate(work, "x", k, str(c), c)
    elif kind.startswith("over"):
        quotient = b + rng.randint(1, 40)
        b = -b if kind.endswith("minus") else b
        c = quotient + b
        work = Work(f"x/{a}{plus(b)}={c}")
        move_constant(work, f"x/{a}", b, c)
        work.say(f"x/{a}={quotient}", f"x={quotient}*{a}")
        root = work.multiply(quotient, a)
        work.say(f"x={root}")
    else:
        a = a if kind.startswith("times") else 1
        if kind.endswith("minus"):
            root += b // a + 1
            b = -b
        elif kind == "times":
            b = 0
        c = a * root + b
        work = Work(f"{term(a, 'x')}{plus(b)}={c}")
        isolate(work, "x", a, *move_constant(work, term(a, "x"), b, c))
    parts = "halves thirds quarters fifths sixths sevenths eighths ninths tenths elevenths twelfths".split()[max(a, 2) - 2]
    words = said(a) | {"n": n, "parts": parts, "k": in_words(k) if source.chance(0.6) else k}
    question = _WAYS.pick(source, kind).format(b=abs(b), c=c, **words)
    question = question[:1].upper() + question[1:] if source.chance(0.8) else question
    return work.problem("equation", question, str(root), work.lines[0])


def another_equation(source: Source) -> Problem:
    """A form or a wording that `equation` does not have otherwise; only for training."""
    return _worded(source) if source.chance(0.35) else _symbolic(source)
