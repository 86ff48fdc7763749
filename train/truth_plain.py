"""Further problems about what is true, for training only: plain sentences, other variables, people with titles."""

from __future__ import annotations

from order_names import made_up
from problem import Problem, Source
from storybook import Storybook, capitalised, sections
from vocabulary import NOUNS, PEOPLE, a_person

_PLAIN = Storybook("truth_plain.txt")
_PARTS = {
    name: [word.strip() for line in lines for word in line.split(",")]
    for (_, name), lines in sections("truth_plain.txt").items()
}
_RAW = {name: lines for (_, name), lines in sections("truth_plain.txt").items()}
_THINGS = {}
for _line in _RAW["things"]:
    _names, _, _words = _line.partition("|")
    _THINGS[tuple(name.strip() for name in _names.split(","))] = [word.strip() for word in _words.split(",")]


def variables(source: Source) -> list[str]:
    """Four names of variables: any letters, or words such as `door_open`."""
    rng = source.rng
    letters = "abcdefghjkmnprstuvwxyz"
    kind = rng.random()
    if kind < 0.4:
        return sorted(rng.sample(letters, 4))
    if kind < 0.65:
        return sorted(rng.sample(letters.upper(), 4))
    if kind < 0.85:
        return rng.sample(_PARTS["flags"], 4)
    names: list[str] = []
    while len(names) < 4:
        name = made_up(rng)
        if name not in names:
            names.append(name)
    return names


def told_values(source: Source, values: dict[str, bool]) -> tuple[str, str]:
    """How to ask, as a template of {values} and {expression}, and the values in words."""
    rng = source.rng
    holds, fails = rng.choice(_RAW["value"]).split("|")
    told = [(holds if value else fails).replace("{v}", name) for name, value in values.items()]
    between = rng.choice((", ", ", ", "; ", " and ", ", but ", "; "))
    template = _PLAIN.pick(source, "values.ask").replace("{e}", "{expression}")
    return template, between.join(told)


def _facts(source: Source, count: int) -> list[tuple[str, str, str]]:
    """Things and what is said of them, each word once: (the soup, hot, label)."""
    rng = source.rng
    found: list[tuple[str, str, str]] = []
    whole = rng.random() < 0.15  # all of one person or thing
    one = None
    while len(found) < count:
        names = rng.choice(list(_THINGS))
        if one is None or not whole:
            subject = a_person(source).name if names[0] == "{N}" else f"the {rng.choice(names)}"
            one = (subject, names)
        word = rng.choice(_THINGS[one[1]])
        label = word.split(" ")[-1]
        if any(label == other[2] or (one[0] == other[0] and not whole) for other in found):
            continue
        found.append((one[0], word, label))
    return found


def plain_statement(source: Source, reduction, tokens_of, value_of) -> Problem:
    """`The soup is hot, the bread is not fresh. "The soup is hot and the bread is fresh": true or false?`"""
    rng = source.rng
    count = rng.choices((1, 2, 3), (10, 70, 20))[0]
    facts = _facts(source, count)
    values = {label: rng.random() < 0.5 for _, _, label in facts}
    told = [f"{thing} is {'' if values[label] else 'not '}{word}" for thing, word, label in facts]
    style = rng.random()
    if style < 0.4:
        told_text = capitalised(", ".join(told)) + "."
    elif style < 0.6:
        links = (" and ", ", but ", "; ", ", and ", " while ")
        told_text = capitalised(rng.choice(links if count == 2 else ("; ", " and ")).join(told)) + "."
    elif style < 0.7:
        told_text = ", ".join(told) + "."
    else:
        told_text = " ".join(capitalised(one) + "." for one in told)
    asked = rng.sample(facts, min(count, 2))
    if rng.random() < 0.6:
        asked.sort(key=facts.index)
    shape = rng.choices(("and", "or", "implies", "neither", "xor", "not and"), (32, 26, 10, 11, 13, 8))[0]
    said, leaves = [], []
    for thing, word, label in asked:
        negated = shape in ("and", "or", "implies") and rng.random() < 0.3
        said.append(f"{thing} is {'not ' if negated else ''}{word}")
        leaves.append(("not", label) if negated else label)
    if len(asked) == 1:
        shape, expression = "one", leaves[0]
        if rng.random() < 0.4 and isinstance(expression, str):
            shape, expression = "one.not", ("not", expression)
    elif shape == "neither":
        expression = ("not", ("or", *leaves))
    elif shape == "not and":
        expression = ("not", ("and", *leaves))
    else:
        expression = (shape, *leaves)
    words = {"a": said[0], "b": said[-1], "A": asked[0][0], "B": asked[-1][0], "p": asked[0][1], "q": asked[-1][1]}
    claim = _PLAIN.pick(source, f"claim.{shape.replace(' ', '_')}").format_map(words)
    text = _PLAIN.pick(source, "ask").format_map(
        {"facts": told_text, "claim": claim, "Claim": capitalised(claim)}
    )
    text = capitalised(text) if rng.random() < 0.7 else text
    labels = [label for _, _, label in facts if label in [one[2] for one in asked]]
    lines = [f" {label}: {'true' if values[label] else 'false'}" for label in labels]
    lines += [" " + line for line in reduction(expression, values)]
    holds = value_of(expression, values)
    yes_no = "true or false" not in text.lower() and "true / false" not in text.lower()
    answer = ("yes" if holds else "no") if yes_no else ("true" if holds else "false")
    given = ",".join(f"{label}={int(values[label])}" for label in labels)
    key = f"truth:{' '.join(tokens_of(expression))}|{given}|{_normalised(text)}"
    return Problem.ask("truth", text, "\n".join(lines), answer, [key])


def syllogism(source: Source) -> Problem:
    """All, no or some X are Y; Mr Hill is one, or is not."""
    rng = source.rng
    is_female = rng.random() < 0.5
    kind_of_name = rng.random()
    if kind_of_name < 0.35:
        title = rng.choice(("Mrs", "Ms", "Miss") if is_female else ("Mr", "Mr", "Sir"))
        name = f"{title} {rng.choice(_PARTS['surnames'])}"
    elif kind_of_name < 0.5:
        name = made_up(rng).capitalize()
    else:
        person = rng.choice(PEOPLE)
        name, is_female = person.name, person.is_female
    noun = rng.choice(NOUNS["occupation"]) if rng.random() < 0.6 else None
    x, xs = (noun.one, noun.many) if noun else rng.choice([pair.split("/") for pair in _PARTS["members"]])
    if " " in x or x in ("girl", "woman", "queen", "boy", "man", "king"):
        return syllogism(source)
    y = rng.choice(_PARTS["properties"])
    quantity = rng.choices(("all", "no", "some"), (52, 32, 16))[0]
    rule = _PLAIN.pick(source, f"syllogism.{quantity}").format_map({"x": x, "xs": xs, "y": y})
    then = f"not {y}" if quantity == "no" else y
    kind = rng.choices(("member", "property", "not property", "stranger"), (50, 18, 18, 14))[0]
    if quantity == "some":
        kind = "member"
    a_x = f"{'an' if x[0] in 'aeiou' else 'a'} {x}"
    fact, event, known, result = {
        "member": (f"is {a_x}", x, "true", None),
        "property": (f"is {y}", y, "true", "false" if quantity == "no" else "unknown"),
        "not property": (f"is not {y}", y, "false", "unknown" if quantity == "no" else "false"),
        "stranger": (f"is not {a_x}", x, "false", "unknown"),
    }[kind]
    wanted = x if event == y else y
    result = result or {"all": "true", "no": "false", "some": "unknown"}[quantity]
    first = f" {'some ' if quantity == 'some' else ''}{x} -> {then}"
    lines = [first, f" {name} {event}: {known}", f" {name} {wanted}: {result}"]
    answer = {"true": "yes", "false": "no", "unknown": "cannot tell"}[result]
    pronoun = "she" if is_female else "he"
    if kind_of_name >= 0.35 and kind_of_name < 0.5 or rng.random() < 0.4:
        pronoun = name
    words = {"rule": rule, "Rule": capitalised(rule), "fact": f"{name} {fact}", "he": pronoun, "z": a_x if wanted == x else y}
    text = _PLAIN.pick(source, "syllogism.ask").format_map(words)
    premises = ";".join(line[1:] for line in lines[:2])
    return Problem.ask("truth", text, "\n".join(lines), answer, [f"truth:{premises}|{wanted}|{_normalised(text)}"])


def _normalised(text: str) -> str:
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())
