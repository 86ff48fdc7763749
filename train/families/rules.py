"""Rules as a controller would ask: thresholds, interlocks, hysteresis, ranges, and bare log lines.

The work looks at one condition per line, then joins them, then says what follows:
` temperature 82>75 true`, ` door open true`, ` true and true = true`, ` action: stop the pump`
"""

from __future__ import annotations

import re

from controls import DEVICES, GENERAL_ACTIONS, HAZARDS, SWITCHED, Condition, Plant, Rule
from families.rule_plain import plain_rule
from problem import Problem, Source
from rulecheck import check_rule
from storybook import capitalised


def _problem(source: Source, parts: tuple[str, str], lines: list[str], answer: str, key: str) -> Problem:
    """A problem of rules and a question; sometimes the rules are the system's message."""
    rules, question = parts
    if rules and source.rng.random() < 0.15:
        messages = [{"role": "system", "content": rules}, {"role": "user", "content": question}]
        return Problem("rule", messages, "\n".join(lines), answer, [f"rule:{key}"])
    return Problem.ask("rule", f"{rules} {question}".strip(), "\n".join(lines), answer, [f"rule:{key}"])


# -- rules and actions ---------------------------------------------------------------------------------------


def _actions(source: Source) -> Problem:
    """One to four rules with actions; the first that applies counts."""
    rng = source.rng
    plant = Plant(source)
    count = rng.choices((1, 2, 3, 4), (44, 30, 18, 8))[0]
    choices = list(plant.device.actions) + rng.sample(GENERAL_ACTIONS, 3)
    rules = []
    for position in range(count):
        rule = plant.rule() if count < 4 else plant.rule(("", "and"), (75, 25))
        rule.action = choices[0] if count == 1 and rng.random() < 0.5 else rng.choice(choices)
        rules.append(rule)
    if any(a.action[0] == b.action[0] and a.action != b.action for a in rules for b in rules):
        return _actions(source)
    applying = [rule for rule in rules if rule.holds()]
    has_order = count > 1 and (len(applying) > 1 or rng.random() < 0.3)
    default = rng.choice(choices) if rng.random() < 0.55 else None
    if default in [rule.action for rule in rules] and (count == 1 or rng.random() < 0.5):
        default = None
    plant.distract()

    lines: list[str] = []
    chosen = None
    for rule in rules:
        lines += rule.lines()
        if rule.holds():
            chosen = rule.action
            break
    if chosen is None:
        chosen = default or ("no action", "no action")

    terse = rng.random() < 0.25
    asks_device = (
        not terse and rng.random() < 0.25 and all(rule.action in plant.device.actions for rule in rules)
    )
    asks_device = asks_device and (default is None or default in plant.device.actions)
    sentences = [_rule_in_words(plant, rule, terse) for rule in rules]
    if default:
        order = default[0] if terse else default[1]
        sentences.append(plant.say("otherwise", a=order).rstrip("."))
    if has_order and len(rules) > 1:
        sentences.insert(len(sentences) if rng.random() < 0.6 else 0, plant.say("first").rstrip("."))
    numbered = len(rules) > 1 and not has_order and rng.random() < 0.1
    if numbered:
        sentences = [f"{place}. {text}" for place, text in enumerate(sentences, 1)]
    separator = "; " if terse and rng.random() < 0.7 else ". "
    rules_text = separator.join(capitalised(text) if separator == ". " else text for text in sentences) + "."
    if rng.random() < 0.4:
        rules_text = f"{plant.say('rules.before')} {rules_text}"
    rules_text = capitalised(rules_text)
    if terse and rng.random() < 0.7:
        question = plant.say("ask.terse", log=plant.log())
    else:
        question = f"{plant.told()} {capitalised(plant.say('ask.device' if asks_device else 'ask.action'))}"
    answer = chosen[0] if terse or asks_device else chosen[1]
    lines.append(f" action: {answer}")
    told_rules = ";".join(
        f"{rule.key()}>{rule.action[0] if terse or asks_device else rule.action[1]}" for rule in rules
    )
    fallback = (default[0] if terse or asks_device else default[1]) if default else "no action"
    return _problem(
        source, (rules_text, question), lines, answer, f"action|{plant.state_key()}|{told_rules}|{fallback}"
    )


def _rule_in_words(plant: Plant, rule: Rule, terse: bool) -> str:
    words = plant.conditions_in_words(rule, terse)
    order = rule.action[0] if terse else rule.action[1]
    if rule.join == "not":
        while (text := plant.say("rule.unless", c=words, a=order)).lower().count(f"do not {order}") and order[:6] == "do not":
            pass
        return _with_not_in_place(text)
    return _with_not_in_place(plant.say("rule.short" if terse else "rule", c=words, a=order))


_BEFORE_NOT = re.compile(r"\b(must|should|will|shall|would|I'd|let us|always|(?:(?:has|have|need) )?to) do not\b")


def _with_not_in_place(text: str) -> str:
    """ "should do not start" comes of an order put behind a verb: should not start."""
    return _BEFORE_NOT.sub(lambda match: _WITH_NOT.get(match[1], f"{match[1]} not"), text)


_WITH_NOT = {"always": "never", "to": "not to"} | dict.fromkeys(("has to", "have to", "need to"), "must not")


# -- permission ----------------------------------------------------------------------------------------------


def _permission(source: Source) -> Problem:
    """Whether a device may act: only if something holds, or not if something holds."""
    rng = source.rng
    plant = Plant(source)
    starting = [
        device
        for device in DEVICES
        if device.actions[0][0] in ("stop", "open") or device.actions[1][0] == "start"
    ]
    plant.device = rng.choice(starting)
    verb = (
        rng.choice(["start", "run", "start"])
        if plant.device.actions[0][0] == "stop"
        else plant.device.actions[0][0]
    )
    kind = rng.choices(("only", "never", "both"), (42, 34, 24))[0]
    joins, shares = ("", "and", "or"), (60, 28, 12) if kind == "both" else (35, 45, 20)
    rules = [plant.rule(joins, shares) for _ in range(2 if kind == "both" else 1)]
    plant.distract()
    told = []
    for position, rule in enumerate(rules):
        section = "never" if kind == "never" or position else "only"
        told.append(capitalised(plant.say(section, verb=verb, c=plant.conditions_in_words(rule))) + ".")
    rule_text = " ".join(told)
    question = f"{plant.told()} {capitalised(plant.say('ask.may', verb=verb))}"
    lines = [*rules[0].lines(), _bearing("never" if kind == "never" else "only", rules[0].holds())]
    allowed = rules[0].holds() == (kind != "never")
    if allowed and kind == "both":
        lines += [*rules[1].lines(), _bearing("never", rules[1].holds())]
        allowed = not rules[1].holds()
    answer = "yes" if allowed else "no"
    lines.append(f" allowed: {answer}")
    told_rules = ";".join(f"{rule.key()}>-" for rule in rules)
    return _problem(
        source, (rule_text, question), lines, answer, f"{kind}|{plant.state_key()}|{told_rules}|-"
    )


def _bearing(kind: str, holds: bool) -> str:
    """What kind of rule it is, next to what its conditions came to: the two decide."""
    return f" {'only if' if kind == 'only' else 'not if'} {'true' if holds else 'false'}"


# -- two thresholds ------------------------------------------------------------------------------------------


def _hysteresis(source: Source) -> Problem:
    """On below one threshold, off above another, otherwise as before."""
    rng = source.rng
    plant = Plant(source)
    plant.device = rng.choice(SWITCHED)
    while True:
        plant.readings, plant.sensors = {}, {}
        name = plant.new_sensor()
        value = plant.readings[name][0]
        low = int(float(value)) + rng.randint(-12, 8)
        high = low + rng.randint(2, 15)
        if low > 0:
            break
    below, above = ("on", "off") if rng.random() < 0.7 else ("off", "on")
    now = rng.choice(("on", "off"))
    words = {
        "s": name,
        "below": below,
        "above": above,
        "low": plant.with_unit(name, str(low)),
        "high": plant.with_unit(name, str(high)),
    }
    rule_text = capitalised(plant.say("hysteresis", **words)) + "."
    if name not in rule_text.lower() and rng.random() < 0.8:
        rule_text = f"The {plant.device.name} depends on the {name}. {rule_text}"
    asks_state = rng.random() < 0.6
    lower, upper = Condition(name, "<", str(low), value), Condition(name, ">", str(high), value)
    lines = [lower.line()]
    command = below
    if not lower.holds():
        lines.append(upper.line())
        command = above if upper.holds() else "keep"
    state = now if command == "keep" else command
    told = [capitalised(plant.told())]
    if asks_state or rng.random() < 0.7:
        told.append(capitalised(plant.say("hysteresis.state", now=now)) + ".")
        rng.shuffle(told)
    lines.append(f" action: {command}")
    if asks_state:
        lines.append(f" {plant.device.name}: {state}")
    question = f"{' '.join(told)} {capitalised(plant.say('ask.state' if asks_state else 'ask.keep'))}"
    answer = state if asks_state else command
    rules = f"{lower.key()}>{below};{upper.key()}>{above}"
    key = f"hysteresis|{plant.state_key()}|{rules}|{now if asks_state else 'keep'}"
    return _problem(source, (rule_text, question), lines, answer, key)


# -- ranges --------------------------------------------------------------------------------------------------


def _range(source: Source) -> Problem:
    """Whether a reading is within its limits."""
    rng = source.rng
    plant = Plant(source)
    name = plant.new_sensor()
    value = plant.readings[name][0]
    low = max(0, int(float(value)) + rng.randint(-15, 6))
    high = low + rng.randint(2, 20)
    words = {"s": name, "low": plant.with_unit(name, str(low)), "high": plant.with_unit(name, str(high))}
    lower, upper = Condition(name, "<", str(low), value), Condition(name, ">", str(high), value)
    status = "too low" if lower.holds() else "too high" if upper.holds() else "ok"
    lines = [lower.line()]
    if status != "too low":
        lines.append(upper.line())
    lines.append(f" status: {status}")
    plant.distract()
    answer = status
    asks_status = rng.random() < 0.45
    if not asks_status:
        answer = "yes" if status == "ok" else "no"
        lines.append(f" ok: {answer}")
    question = f"{plant.told()} {capitalised(plant.say('ask.status' if asks_status else 'ask.ok', s=name))}"
    outcomes = ("too low", "too high", "ok") if asks_status else ("no", "no", "yes")
    key = f"range|{plant.state_key()}|{lower.key()}>{outcomes[0]};{upper.key()}>{outcomes[1]}|{outcomes[2]}"
    return _problem(source, (capitalised(plant.say("range", **words)) + ".", question), lines, answer, key)


# -- log lines without a rule --------------------------------------------------------------------------------


def _bare(source: Source) -> Problem:
    """A log line with limits, and nothing else said: what is beyond its limit, or open, is an alarm."""
    rng = source.rng
    plant = Plant(source)
    conditions: list[Condition] = []
    parts: list[str] = []
    form = plant.phrase("reading")
    many = rng.random() < 0.15
    for _ in range(rng.choices((1, 2, 3), (64, 26, 10))[0]):
        name = plant.new_sensor()
        value = plant.readings[name][0]
        is_minimum = rng.random() < 0.2
        limit = plant.near(name)
        comparison = "<" if is_minimum else ">"
        conditions.append(Condition(name, comparison, limit, value))
        reading = form.format(s=name, x=plant.with_unit(name, value))
        bound = plant.say("minimum" if is_minimum else "limit", x=plant.with_unit(name, limit))
        parts.append(reading + (" " if bound.startswith("(") else ", ") + bound)
    hazards = rng.sample(HAZARDS, rng.choices((0, 1, 2, 3), (20, 50, 22, 8))[0])
    if len(conditions) == 1 and not hazards and many:
        hazards = rng.sample(HAZARDS, 2)
    for name, bad, good in hazards:
        if name in plant.readings:
            continue
        state = bad if rng.random() < 0.5 else good
        plant.readings[name] = (state, "")
        conditions.append(Condition(name, "is", bad, state))
        parts.append(form.format(s=name, x=state))
    if rng.random() < 0.3:
        together = list(zip(conditions, parts))
        rng.shuffle(together)
        conditions, parts = [one for one, _ in together], [part for _, part in together]
    log = ", ".join(parts)
    text = plant.say("bare", log=log)
    if rng.random() < 0.5:
        text = capitalised(text)
    problems = [_complaint(condition) for condition in conditions if condition.holds()]
    answer = "alarm: " + ", ".join(problems) if problems else "ok: all within limits"
    lines = [condition.line() for condition in conditions] + [f" {answer}"]
    told = ";".join(f"({condition.key()})>{_complaint(condition)}" for condition in conditions)
    return _problem(
        source, ("", text), lines, answer, f"bare|{plant.state_key()}|{told}|ok: all within limits"
    )


def _complaint(condition: Condition) -> str:
    if condition.comparison == "is":
        return f"{condition.name} {condition.wanted}"
    return f"{condition.name} {'above' if condition.comparison == '>' else 'below'} limit"


_MAKERS = (_actions, _permission, _hysteresis, _range, _bare)
_SHARES = (46, 18, 8, 8, 20)


def rule(source: Source) -> Problem:
    """One problem about rules."""
    if source.split == "train" and source.chance(0.25):
        return plain_rule(source)
    return source.rng.choices(_MAKERS, _SHARES)[0](source)


FAMILIES = {"rule": rule}
CHECKS = {"rule": check_rule}
