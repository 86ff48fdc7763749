"""Written calculation as taught in school, one step per line: what the model learns to write before its answer.

Every line is true by itself, and every step is one look-up in a small table or a copy, because a small model can learn
that much and no more. `->` shows the result so far: digits found from the right (sums, products), from the left (quotients).
"""

from __future__ import annotations

import re


def add_lines(a: int, b: int) -> list[str]:
    """a+b: one line when both have at most two digits, else columns from the right, the carry as a third term.

    347+589 | 7+9=16->6 | 4+8+1=13->36 | 3+5+1=9->936
    """
    if is_small(a, b):
        return [f"{a}+{_bracketed(b)}={a + b}"]
    _refuse_negative(a, b)
    return [f"{a}+{b}", *_sum_columns(a, b)]


def sub_lines(a: int, b: int) -> list[str]:
    """a-b: one line when both have at most two digits, else columns from the right.

    503-78 | 3<8,13-8=5->5 | 0-1<0,10-1=9,9-7=2->25 | 5-1=4,4-0=4->425
    A `<` says that the next column lends one. When a is smaller than b the difference is turned round, unless both are
    at most 20:
    78-503=-(503-78) | ... | =-425
    """
    if is_small(a, b if 0 <= b <= a else -abs(b)):
        return [f"{a}-{_bracketed(b)}={a - b}"]
    _refuse_negative(a, b)
    if a < b:
        return [f"{a}-{b}=-({b}-{a})", *_difference_columns(b, a), f"={a - b}"]
    return [f"{a}-{b}", *_difference_columns(a, b), *_without_leading_zeros(a, b)]


def signed_lines(a: int, b: int) -> list[str]:
    """a+b for any signs; a negative b is written as a subtraction.

    -503+78=-(503-78) | ... | =-425        -503-78=-(503+78) | ... | =-581        -78+503=503-78 | ...
    """
    if a >= 0:
        return add_lines(a, b) if b >= 0 else sub_lines(a, -b)
    task = f"{a}+{b}" if b >= 0 else f"{a}-{-b}"
    if is_small(a, b):
        return [f"{task}={a + b}"]
    a = -a
    if b < 0:
        return [f"{task}=-({a}+{-b})", *_sum_columns(a, -b), f"=-{a - b}"]
    if b < a:
        return [f"{task}=-({a}-{b})", *_difference_columns(a, b), f"={b - a}"]
    return [f"{task}={b}-{a}", *_difference_columns(b, a), *_without_leading_zeros(b, a)]


def mul_lines(a: int, b: int) -> list[str]:
    """a*b, a power of ten or the number with fewer digits second: small products and those with a power of ten are one line.

    347*26 | 347*6 | 7*6=42->2 | 4*6+4=28->82 | 3*6+2=20->2082 | 347*20 | 7*2=14->40 | ... | 2082+6940 | ...
    Partial products of two digits are one line (24*30=720); a zero in b is one line too (347*00=0).
    """
    _refuse_negative(a, b)
    if _is_power_of_ten(a) or (len(str(a)) < len(str(b)) and not _is_power_of_ten(b)):
        a, b = b, a
    if b == 0 or _is_power_of_ten(b) or (b < 10 and a < 100) or (a <= 12 and b <= 12):
        return [f"{a}*{b}={a * b}"]
    if b < 10:
        return [f"{a}*{b}", *_product_columns(a, b, "")]
    lines = [f"{a}*{b}"]
    partials = []
    for place, digit in enumerate(map(int, reversed(str(b)))):
        zeros = "0" * place
        if digit == 0:
            lines.append(f"{a}*0{zeros}=0")
            continue
        partials.append(a * digit * 10**place)
        if a < 100:
            lines.append(f"{a}*{digit}{zeros}={partials[-1]}")
        else:
            lines += [f"{a}*{digit}{zeros}", *_product_columns(a, digit, zeros)]
    total = partials[0]
    for partial in partials[1:]:
        lines += add_lines(total, partial)
        total += partial
    return lines


def div_lines(a: int, b: int) -> list[str]:
    """a/b by long division; a line takes the next part, divides it, and appends one digit to the quotient.

    7654/24 | 76:24*3=72,76-72=4->3 | 45:24*1=24,45-24=21->31 | 214:24*8=192,214-192=22->318 | =318 r 22
    """
    _refuse_negative(a, b)
    if b == 0:
        raise ValueError("division by zero")
    digits = str(a)
    lines = [f"{a}/{b}"]
    quotient = ""
    part = 0
    for position, digit in enumerate(digits):
        part = part * 10 + int(digit)
        if not quotient and part < b and position + 1 < len(digits):
            continue  # the first part is the shortest that the divisor goes into
        times = part // b
        quotient += str(times)
        lines.append(f"{part}:{b}*{times}={b * times},{part}-{b * times}={part % b}->{quotient}")
        part %= b
    lines.append(f"={quotient} r {part}" if part else f"={quotient}")
    return lines


def exact_div_lines(a: int, b: int) -> list[str]:
    """a/b when the quotient is whole or a finite decimal: behind the point a 0 is brought down until nothing remains.

    90/60 | 90:60*1=60,90-60=30->1 | 300:60*5=300,300-300=0->1.5 | =1.5
    """
    lines = div_lines(a, b)[:-1]
    quotient = str(a // b)
    part = a % b
    point = "."
    seen = set()
    while part:
        if part in seen:
            raise ValueError(f"{a}/{b} is no finite decimal")
        seen.add(part)
        times, rest = divmod(part * 10, b)
        quotient += point + str(times)
        lines.append(f"{part * 10}:{b}*{times}={b * times},{part * 10}-{b * times}={rest}->{quotient}")
        part = rest
        point = ""
    return [*lines, f"={quotient}"]


def calculation_key(a: int, operator: str, b: int) -> str:
    """The name of a calculation for Problem.keys, the same for a+b and b+a: "add:347+589"."""
    if operator in "+*" and a > b:
        a, b = b, a
    return f"{_FAMILY[operator]}:{a}{operator}{b}"


def contained_keys(lines: list[str]) -> list[str]:
    """The names of the calculations over several lines that this work contains; one-line ones are the tables one learns."""
    keys = []
    for line in lines:
        for a, operator, b in _CALCULATION.findall(line) if _HEADER.fullmatch(line) else ():
            keys.append(calculation_key(int(a), operator, int(b)))
    return keys


_FAMILY = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_HEADER = re.compile(r"(?:-?\d+[-+]\d+=)?(?:-\()?\d+[-+*/]\d+\)?")
_CALCULATION = re.compile(r"(\d+)([-+*/])(\d+)")


def is_small(a: int, b: int) -> bool:
    """Whether a+b is one line; signs are looked after apart, unless the numbers are tiny."""
    return abs(a) < 100 and abs(b) < 100 if a >= 0 and b >= 0 else abs(a) <= 20 and abs(b) <= 20


def _is_power_of_ten(a: int) -> bool:
    return a > 0 and str(a).strip("0") == "1"


def _bracketed(b: int) -> str:
    return f"({b})" if b < 0 else str(b)


def _refuse_negative(a: int, b: int) -> None:
    if a < 0 or b < 0:
        raise ValueError(f"columns are for numbers that are not negative, not for {a} and {b}")


def _columns(a: int, b: int):
    """Pairs of digits from the right; missing digits are 0."""
    width = max(len(str(a)), len(str(b)))
    return list(zip(map(int, reversed(str(a).zfill(width))), map(int, reversed(str(b).zfill(width)))))


def _sum_columns(a: int, b: int) -> list[str]:
    lines = []
    columns = _columns(a, b)
    result = ""
    carry = 0
    for place, (x, y) in enumerate(columns):
        total = x + y + carry
        result = (str(total) if place + 1 == len(columns) else str(total % 10)) + result
        lines.append(f"{x}+{y}{'+1' if carry else ''}={total}->{result}")
        carry = total // 10
    return lines


def _difference_columns(a: int, b: int) -> list[str]:
    """Columns of a-b, a >= b."""
    lines = []
    result = ""
    lent = False
    for x, y in _columns(a, b):
        line = ""
        if lent and x == 0:  # it has nothing to lend and borrows itself, which leaves it a 9
            line = "0-1<0,10-1=9,"
            x = 9
        else:
            if lent:
                line = f"{x}-1={x - 1}"
                x -= 1
            lent = x < y
            if lent:
                line = f"{line or x}<{y},"
                x += 10
            elif line:
                line += ","
        result = str(x - y) + result
        lines.append(f"{line}{x}-{y}={x - y}->{result}")
    return lines


def _without_leading_zeros(a: int, b: int) -> list[str]:
    """A last line with the difference when the columns left zeros before it."""
    return [f"={a - b}"] if len(str(a - b)) < max(len(str(a)), len(str(b))) else []


def _product_columns(a: int, digit: int, zeros: str) -> list[str]:
    lines = []
    result = zeros
    carry = 0
    for place, x in enumerate(map(int, reversed(str(a)))):
        total = x * digit + carry
        result = (str(total) if place + 1 == len(str(a)) else str(total % 10)) + result
        lines.append(f"{x}*{digit}{f'+{carry}' if carry else ''}={total}->{result}")
        carry = total // 10
    return lines
