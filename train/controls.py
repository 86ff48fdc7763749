"""What a controller sees and knows: readings, states, conditions of them, rules, and words for all these."""

from __future__ import annotations

from dataclasses import dataclass

from problem import Source
from storybook import Storybook, capitalised, sections, with_right_articles

_BOOK = Storybook("rule.txt")
_RAW = {name: lines for (split, name), lines in sections("rule.txt").items() if split == "both"}


@dataclass(frozen=True)
class Sensor:
    names: tuple[str, ...]
    units: tuple[str, ...]
    least: int
    most: int
    has_decimals: bool


@dataclass(frozen=True)
class Device:
    name: str
    actions: tuple[tuple[str, str], ...]  # (short, order)


def _split(text: str, separator: str = ",") -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator))


def _read_sensors() -> list[Sensor]:
    found = []
    for line in _RAW["sensors"]:
        names, units, least, most, decimals = _split(line, "|")
        found.append(Sensor(_split(names), _split(units), int(least), int(most), decimals == "1"))
    return found


def _read_actions(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(_split(action, "=") for action in _split(text))


_SENSORS = _read_sensors()
_STATES = [_split(line, "|") for line in _RAW["states"]]
HAZARDS = [_split(line, "|") for line in _RAW["hazards"]]
DEVICES = [
    Device(name, _read_actions(actions)) for name, actions in (_split(line, "|") for line in _RAW["devices"])
]
GENERAL_ACTIONS = [_read_actions(line)[0] for line in _RAW["general"]]
SWITCHED = [device for device in DEVICES if device.actions[0][0] == "on"]
_COMPARISONS = {"above": ">", "below": "<", "least": ">=", "most": "<="}
# Of these comparisons. What includes the limit is as frequent in training as what does not: each wording has to be read.
_SHARES = {"train": (29, 25, 24, 22), "test": (48, 34, 10, 8)}
_SHARE_ON_THE_LIMIT = {"train": 0.18, "test": 0.06}


@dataclass
class Condition:
    """One thing that is so or not: a comparison with a number, or a state."""

    name: str
    comparison: str  # > < >= <= or "is"
    wanted: str  # the threshold or the state
    actual: str
    limit: str = ""  # the name of the threshold, where a reading tells it

    def holds(self) -> bool:
        if self.comparison == "is":
            return self.wanted == self.actual
        actual, wanted = float(self.actual), float(self.wanted)
        return {">": actual > wanted, "<": actual < wanted, ">=": actual >= wanted, "<=": actual <= wanted}[
            self.comparison
        ]

    def line(self) -> str:
        """` pressure 82>75? 82>75 true`: what is asked, how the numbers compare, and the verdict on the
        signs; ` door closed? open false` for a state."""
        truth = "true" if self.holds() else "false"
        if self.comparison == "is":
            return f" {self.name} {self.wanted}? {self.actual} {truth}"
        actual, wanted = float(self.actual), float(self.wanted)
        sign = ">" if actual > wanted else "<" if actual < wanted else "="
        return f" {self.name} {self.actual}{self.comparison}{self.wanted}? {self.actual}{sign}{self.wanted} {truth}"

    def key(self) -> str:
        return f"{self.name}{'=' if self.comparison == 'is' else self.comparison}{self.wanted}"


@dataclass
class Rule:
    """Conditions joined by `and`, `or`, `unless` (and not), or one with `not`, and what follows."""

    conditions: list[Condition]
    join: str  # "", and, or, unless, not
    action: tuple[str, str] = ("", "")

    def holds(self) -> bool:
        truths = [condition.holds() for condition in self.conditions]
        if self.join == "not":
            return not truths[0]
        if self.join == "unless":
            return truths[0] and not truths[1]
        return any(truths) if self.join == "or" else all(truths)

    def lines(self) -> list[str]:
        """One line per condition, and one that joins them."""
        lines = [condition.line() for condition in self.conditions]
        words = ["true" if condition.holds() else "false" for condition in self.conditions]
        result = "true" if self.holds() else "false"
        if self.join == "not":
            lines.append(f" not {words[0]} = {result}")
        elif self.join == "unless":
            lines.append(f" {words[0]} and not {words[1]} = {result}")
        elif len(words) > 1:
            lines.append(f" {f' {self.join} '.join(words)} = {result}")
        return lines

    def key(self) -> str:
        return f"{self.join}({','.join(condition.key() for condition in self.conditions)})"


class Plant:
    """What can be measured in one problem, and how it is written."""

    def __init__(self, source: Source):
        self.source = source
        self.rng = source.rng
        self.device: Device = self.rng.choice(DEVICES)
        self.has_units = self.rng.random() < 0.35
        self.share_of_limits = 0.5 if self.rng.random() < (0.3 if self._is_training() else 0.2) else 0
        self.readings: dict[str, tuple[str, str]] = {}  # name -> (value or state, unit)
        self.thresholds: dict[str, list[float]] = {}
        self.sensors: dict[str, Sensor] = {}

    def say(self, name: str, **words) -> str:
        text = _BOOK.pick(self.source, name).format_map({"device": self.device.name} | words)
        return with_right_articles(text)

    def phrase(self, name: str) -> str:
        return _BOOK.pick(self.source, name)

    def new_sensor(self) -> str:
        while True:
            sensor = self.rng.choice(_SENSORS)
            name = sensor.names[0] if self.rng.random() < 0.6 else self.rng.choice(sensor.names)
            if name not in self.readings and sensor not in self.sensors.values():
                self.sensors[name] = sensor
                unit = self.rng.choice(sensor.units) if self.has_units else ""
                self.readings[name] = (self._number(sensor), unit)
                return name

    def _number(self, sensor: Sensor) -> str:
        rng = self.rng
        most = sensor.most
        while most > 20 and most / 4 > sensor.least and rng.random() < 0.4:
            most //= 4  # small numbers are as interesting as large ones
        number = rng.randint(sensor.least, max(most, sensor.least + 3))
        if sensor.has_decimals and rng.random() < 0.25:
            return f"{number}.{rng.randint(1, 9)}"
        return str(number)

    def near(self, name: str) -> str:
        """A threshold for a sensor: often close to its reading, now and then the reading itself."""
        rng, sensor = self.rng, self.sensors[name]
        value = self.readings[name][0]
        draw = rng.random()
        if draw < _SHARE_ON_THE_LIMIT[self.source.split]:
            return value
        if draw < 0.55:
            number = int(float(value)) + rng.choice((-1, 1)) * rng.randint(1, 12)
        else:
            number = int(float(self._number(sensor)))
        return (
            str(max(number, 0))
            if "." not in value or rng.random() < 0.5
            else f"{max(number, 0)}.{rng.randint(1, 9)}"
        )

    def condition(self, share_of_states: float = 0.4) -> Condition:
        rng = self.rng
        if rng.random() < share_of_states:
            return self._state()
        known = [name for name in self.sensors]
        name = rng.choice(known) if known and rng.random() < 0.3 else self.new_sensor()
        comparison = rng.choices(tuple(_COMPARISONS), _SHARES[self.source.split])[0]
        condition = Condition(name, _COMPARISONS[comparison], self.near(name), self.readings[name][0])
        if rng.random() < self.share_of_limits and (self._is_training() or comparison in ("above", "below")):
            self._name_limit(condition, comparison)
        return condition

    def _is_training(self) -> bool:
        return self.source.split == "train"

    def _name_limit(self, condition: Condition, comparison: str) -> None:
        """Lets a reading tell the threshold, as in `temperature 82, limit 75`."""
        limit = self.say("limit.above" if comparison in ("above", "least") else "limit.below")
        if limit in self.readings or self.rng.random() < 0.3:
            limit = f"{condition.name} {limit}"
        if limit not in self.readings:
            condition.limit = limit
            self.readings[limit] = (condition.wanted, self.readings[condition.name][1])

    def _state(self) -> Condition:
        rng = self.rng
        while True:
            name, unusual, usual = rng.choice(_STATES)
            if name in self.sensors or name == self.device.name:
                continue
            if name in self.readings and self.readings[name][0] not in (unusual, usual):
                continue
            if name not in self.readings:
                self.readings[name] = (unusual if rng.random() < 0.5 else usual, "")
            wanted = unusual if rng.random() < 0.7 else usual
            return Condition(name, "is", wanted, self.readings[name][0])

    def rule(
        self, joins: tuple[str, ...] = ("", "and", "or", "unless", "not"), shares=(50, 26, 14, 6, 4)
    ) -> Rule:
        rng = self.rng
        join = rng.choices(joins, shares)[0]
        count = 1 if join in ("", "not") else 3 if join in ("and", "or") and rng.random() < 0.15 else 2
        conditions: list[Condition] = []
        while len(conditions) < count:
            one = self.condition()
            if one.name not in [other.name for other in conditions]:
                conditions.append(one)
        return Rule(conditions, join)

    # -- words --

    def with_unit(self, name: str, number: str) -> str:
        unit = self.readings[name][1]
        return f"{number}{'' if unit in ('%', 'C', 'V', 'A') else ' '}{unit}" if unit else number

    def condition_in_words(self, condition: Condition, terse: bool = False) -> str:
        if condition.comparison == "is":
            if terse:
                return f"{condition.name} {condition.wanted}"
            return self.say("is", s=condition.name, x=condition.wanted)
        wanted = self.with_unit(condition.name, condition.wanted)
        if condition.limit:
            wanted = condition.limit if terse or self.rng.random() < 0.4 else f"the {condition.limit}"
        if terse:
            return f"{condition.name} {condition.comparison} {wanted}"
        kind = next(kind for kind, sign in _COMPARISONS.items() if sign == condition.comparison)
        return self.say(kind, s=condition.name, x=wanted)

    def conditions_in_words(self, rule: Rule, terse: bool = False) -> str:
        parts = [self.condition_in_words(condition, terse) for condition in rule.conditions]
        if rule.join == "unless":
            link = "and not" if terse else self.phrase("join.unless")
            return f"{parts[0]} {link} {parts[1]}".replace(" , ", ", ")
        join = rule.join.upper() if terse and self.rng.random() < 0.3 else rule.join
        if len(parts) == 2 and not terse:
            if self.rng.random() < 0.15:
                return f"{'both' if join == 'and' else 'either'} {parts[0]} {join} {parts[1]}"
            return self.phrase(f"join.{join}").format(parts[0], parts[1])
        return f" {join} ".join(parts)

    def log(self, names: list[str] | None = None) -> str:
        """Readings as a log line."""
        rng = self.rng
        names = list(self.readings) if names is None else names
        if rng.random() < 0.6:
            rng.shuffle(names)
        form = _BOOK.pick(self.source, "reading")
        parts = []
        for name in names:
            value = self.readings[name][0]
            parts.append(form.format(s=name, x=self.with_unit(name, value)))
        return rng.choice((", ", ", ", ", ", "; ")).join(parts)

    def told(self) -> str:
        """Readings as sentences, or as a log line behind a word like `Now:`."""
        rng = self.rng
        if rng.random() < 0.45:
            before = self.say("before") if rng.random() < 0.6 else ""
            return capitalised(f"{before} {self.log()}.".strip())
        names = list(self.readings)
        rng.shuffle(names)
        parts = []
        for name in names:
            value = self.readings[name][0]
            kind = "reading" if value[0].isdigit() else "state"
            parts.append(self.say(f"{kind}.sentence", s=name, x=self.with_unit(name, value)))
        if rng.random() < 0.5:
            return " ".join(capitalised(part) + "." for part in parts)
        return capitalised(parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]) + "."

    def distract(self) -> None:
        """Now and then adds a reading that no rule asks for."""
        if self.rng.random() < 0.15:
            self.condition()

    def state_key(self) -> str:
        return ",".join(f"{name}={value}" for name, (value, _) in sorted(self.readings.items()))
