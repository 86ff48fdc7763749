"""Rules as people say them in one breath: two-sided bands, limits in a log line, whether something must be done; for training only."""

from __future__ import annotations

from controls import DEVICES, GENERAL_ACTIONS, SWITCHED, Condition, Plant, Rule
from problem import Problem, Source
from storybook import Storybook, capitalised, sections

_PLAIN = Storybook("rule_plain.txt")
_RAW = {name: lines for (_, name), lines in sections("rule_plain.txt").items()}
_DONE = dict(line.split(" = ") for line in _RAW["done"])
_ACTS = dict(line.split(" = ") for line in _RAW["acts"])
_PROCESSES = [[part.strip() for part in line.split("|")] for line in _RAW["processes"]]


def _say(source: Source, name: str, **words) -> str:
    return _PLAIN.pick(source, name).format_map(words)


def _problem(source: Source, texts: list[str], lines: list[str], answer: str, key: str) -> Problem:
    """The rule, the reading and the question, in one of the orders in which people say them."""
    rule, told, ask = texts
    order = source.rng.random()
    if order < 0.65:
        parts = [rule, told, ask]
    elif order < 0.8:
        parts = [told, rule, ask]
    elif order < 0.93 and ask.endswith("?"):
        parts = [ask, rule, told]
    else:
        system = [{"role": "system", "content": capitalised(rule)}, {"role": "user", "content": capitalised(f"{told} {ask}")}]
        return Problem("rule", system, "\n".join(lines), answer, [f"rule:{key}"])
    if source.chance(0.75):
        parts = [part if part.startswith("pH") else capitalised(part) for part in parts]
    return Problem.ask("rule", " ".join(parts), "\n".join(lines), answer, [f"rule:{key}"])


def _where(source: Source) -> str:
    return _say(source, "place") + ": " if source.chance(0.2) else ""


def _limits(source: Source, plant: Plant) -> tuple[str, str, int, int, Condition, Condition]:
    """A sensor, its reading, two limits, and the conditions of being beyond them."""
    rng = source.rng
    name = plant.new_sensor()
    value = plant.readings[name][0]
    low = max(1, int(float(value)) + rng.randint(-14, 8))
    high = low + rng.randint(2, 18)
    draw = rng.random()
    if draw < 0.08 and "." not in value:
        low = int(value)
        high = low + rng.randint(2, 18)
    elif draw < 0.16 and "." not in value and int(value) > 2:
        high = int(value)
        low = high - rng.randint(1, min(high, 18))
    return name, value, low, high, Condition(name, "<", str(low), value), Condition(name, ">", str(high), value)


def _told(source: Source, plant: Plant, name: str) -> str:
    value = plant.with_unit(name, plant.readings[name][0])
    return _say(source, "told", s=name, x=value)


def _band(source: Source) -> Problem:
    """Above X one action, below Y another, in between nothing (or a third)."""
    rng = source.rng
    plant = Plant(source)
    name, value, low, high, lower, upper = _limits(source, plant)
    choices = [action[1] for action in plant.device.actions if "do not" not in action[1]]
    if rng.random() < 0.35:
        choices += rng.sample([action[1] for action in GENERAL_ACTIONS], 2)
    below, above = rng.sample(choices, 2)
    first = rng.choice(("above", "below"))
    middle = None
    if rng.random() < 0.2:
        middle = rng.choice(("wait", "write a log entry", "show a green light", "check again later"))
    words = {
        "s": name,
        "d": plant.device.name,
        "low": plant.with_unit(name, str(low)),
        "high": plant.with_unit(name, str(high)),
        "A": above,
        "B": below,
        "m": middle,
    }
    rule = _say(source, f"band.{first}", **words)
    if middle or rng.random() < 0.6:
        rule += _say(source, "band.middle" if middle else "band.nothing", **words)
    rule = f"{_where(source)}{rule}."
    if "{s}" not in rule and name not in rule:
        rule = f"{capitalised(name)}: {rule}"
    lines, answer = [], middle or "no action"
    pair = [(upper, above), (lower, below)]
    if first == "below":
        pair.reverse()
    for condition, action in pair:
        lines.append(condition.line())
        if condition.holds():
            answer = action
            break
    lines.append(f" action: {answer}")
    rules = ";".join(f"({condition.key()})>{action}" for condition, action in pair)
    key = f"action|{plant.state_key()}|{rules}|{middle or 'no action'}"
    return _problem(source, [rule, _told(source, plant, name), _say(source, "ask.action", d=plant.device.name)], lines, answer, key)


def _in_between(source: Source) -> Problem:
    """On beyond one limit, off beyond the other, in between as it is."""
    rng = source.rng
    plant = Plant(source)
    plant.device = rng.choice(SWITCHED)
    name, value, low, high, lower, upper = _limits(source, plant)
    below, above = rng.sample(("on", "off"), 2)
    now = rng.choice(("on", "off"))
    words = {
        "s": name,
        "d": plant.device.name,
        "below": below,
        "above": above,
        "low": plant.with_unit(name, str(low)),
        "high": plant.with_unit(name, str(high)),
        "now": now,
    }
    rule = f"{_where(source)}{_say(source, 'keep', **words)}{_say(source, 'keep.middle', **words)}."
    reading = _told(source, plant, name)
    if name not in f"{rule} {reading}":
        reading = f"the {name} is {plant.with_unit(name, value)}."
    lines = [lower.line()]
    command = below
    if not lower.holds():
        lines.append(upper.line())
        command = above if upper.holds() else "keep"
    lines.append(f" action: {command}")
    state = now if command == "keep" else command
    answer, told = command, reading
    asks_state = rng.random() < 0.65
    if asks_state:
        answer = state
        lines.append(f" {plant.device.name}: {state}")
        told = rng.choice((f"{told} {capitalised(_say(source, 'now', **words))}", f"{capitalised(_say(source, 'now', **words))} {capitalised(told)}"))
    ask = _say(source, "keep.state" if asks_state else "keep.command", **words)
    rules = f"{lower.key()}>{below};{upper.key()}>{above}"
    key = f"hysteresis|{plant.state_key()}|{rules}|{now if asks_state else 'keep'}"
    return _problem(source, [rule, told, ask], lines, answer, key)


def _within(source: Source) -> Problem:
    """Has to stay between A and B: is everything ok, or which is it?"""
    rng = source.rng
    plant = Plant(source)
    name, value, low, high, lower, upper = _limits(source, plant)
    words = {"s": name, "low": plant.with_unit(name, str(low)), "high": plant.with_unit(name, str(high))}
    status = "too low" if lower.holds() else "too high" if upper.holds() else "ok"
    lines = [lower.line()]
    if status != "too low":
        lines.append(upper.line())
    lines.append(f" status: {status}")
    answer, asks_status = status, rng.random() < 0.45
    if not asks_status:
        answer = "yes" if status == "ok" else "no"
        lines.append(f" ok: {answer}")
    outcomes = ("too low", "too high", "ok") if asks_status else ("no", "no", "yes")
    key = f"range|{plant.state_key()}|{lower.key()}>{outcomes[0]};{upper.key()}>{outcomes[1]}|{outcomes[2]}"
    rule = f"{_where(source)}{_say(source, 'within', **words)}."
    ask = _say(source, "within.status" if asks_status else "within.ok", **words)
    return _problem(source, [rule, _told(source, plant, name), ask], lines, answer, key)


def _limit_line(source: Source) -> Problem:
    """`level=12, min level=15. rule: level below min -> start the pump. action?`"""
    rng = source.rng
    plant = Plant(source)
    name = plant.new_sensor()
    value, unit = plant.readings[name]
    is_minimum = rng.random() < 0.5
    wanted = plant.near(name)
    short = rng.choice(("min", "minimum", "lower limit", "low mark") if is_minimum else ("max", "maximum", "limit", "upper limit", "high mark"))
    limit = rng.choice((f"{short} {name}", f"{name} {short}", short))
    plant.readings[limit] = (wanted, unit)
    action = rng.choice([action[1] for action in plant.device.actions if "do not" not in action[1]])
    condition = Condition(name, "<" if is_minimum else ">", wanted, value)
    rule = Rule([condition], "")
    sign = rng.choice(("=", "=", "=", " = ", ": ", " "))
    told = [f"{name}{sign}{plant.with_unit(name, value)}", f"{limit}{sign}{plant.with_unit(limit, wanted)}"]
    if rng.random() < 0.25:
        told.reverse()
    said = limit if rng.random() < 0.4 else short
    form = _say(source, "line.below" if is_minimum else "line.above", s=name, l=said, a=action)
    text = _say(source, "line", told=rng.choice((", ", "; ", ", ")).join(told), rule=form, d=plant.device.name)
    answer = action if rule.holds() else "no action"
    lines = [*rule.lines(), f" action: {answer}"]
    key = f"action|{plant.state_key()}|{rule.key()}>{action}|no action"
    text = capitalised(text) if rng.random() < 0.4 else text
    return Problem.ask("rule", text, "\n".join(lines), answer, [f"rule:{key}"])


def _must(source: Source) -> Problem:
    """A rule to do something, or that a device does it, and whether it must be done now: yes or no."""
    rng = source.rng
    plant = Plant(source)
    orders = [(device, action[1]) for device in DEVICES for action in device.actions if "do not" not in action[1]]
    plant.device, order = rng.choice(orders)
    verb, _, rest = order.partition(f" the {plant.device.name}")
    past = _DONE.get(verb)
    if past is None:
        return _must(source)
    rule = plant.rule(("", "and", "or", "unless"), (46, 26, 18, 10))
    condition = plant.conditions_in_words(rule)
    words = {"c": condition, "a": order, "d": plant.device.name, "done": f"{past}{rest}", "v": f"{verb}{rest}"}
    kind = "must"
    if not rest and verb in _ACTS and rng.random() < 0.5:
        kind, words["vs"] = "acts", _ACTS[verb]
    said = _say(source, f"{kind}.rule", **words)
    plant.distract()
    ask = _say(source, f"{kind}.ask", **words)
    answer = "yes" if rule.holds() else "no"
    lines = [*rule.lines(), f" {verb}: {answer}"]
    key = f"must|{plant.state_key()}|{rule.key()}>yes|no"
    return _problem(source, [f"{_where(source)}{said}.", plant.told(), ask], lines, answer, key)


def _process(source: Source) -> Problem:
    """Filling may begin unless ...; boarding is allowed only if ..."""
    rng = source.rng
    plant = Plant(source)
    process, begin, base = rng.choice(_PROCESSES)
    kind = rng.choice(("never", "only"))
    rule = plant.rule(("", "and", "or"), (50, 25, 25))
    condition = plant.conditions_in_words(rule)
    words = {"p": process, "v": begin, "do": base, "c": condition}
    said = _say(source, f"process.{kind}", **words)
    plant.distract()
    allowed = rule.holds() == (kind == "only")
    answer = "yes" if allowed else "no"
    bearing = f" {'only if' if kind == 'only' else 'not if'} {'true' if rule.holds() else 'false'}"
    lines = [*rule.lines(), bearing, f" allowed: {answer}"]
    key = f"{kind}|{plant.state_key()}|{rule.key()}>-|-"
    return _problem(source, [f"{_where(source)}{said}.", plant.told(), _say(source, "process.ask", **words)], lines, answer, key)


_MAKERS = (_band, _in_between, _within, _limit_line, _must, _process)
_SHARES = (22, 15, 13, 13, 24, 13)


def plain_rule(source: Source) -> Problem:
    """One problem of training about a rule in plain words."""
    return source.rng.choices(_MAKERS, _SHARES)[0](source)
