"""Tools beyond the calculator, converter, clock and thermostat: those of other callers, and invented ones."""

from __future__ import annotations

import random

from families.refusals import FILLERS
from families.tool_kinds import CALCULATORS, CLOCK, ROOM, SINGLE_CALCULATORS, THERMOSTAT, UNIT_CONVERTER
from families.tool_kinds import Kind, Param, kind, place, simple
from families.tool_slots import (
    CURRENCIES,
    DIRECTIONS,
    DOORS,
    MACHINES,
    ROOMS,
    SONGS,
    SYMBOLS,
    TEXTS,
    TODOS,
    TOPICS,
    WORDS,
    amount,
    clock_text,
    draw_order,
    draw_place,
    draw_range,
    fill,
    pick,
    whole,
)

ON_OFF = ("on", "off")
_PERSON_NAMES = "to recipient name person contact"
OTHERS = (
    kind(
        "weather",
        "weather",
        "weather get_weather weather_forecast forecast current_weather get_weather_updates",
        "Weather of a city|Gets the weather|Weather forecast|Current weather",
        [(place(True),), (place(True), simple("day", "day date when", "string", "Day", required=False))],
        draw_place,
    ),
    kind(
        "timer alarm",
        "timer",
        "timer set_timer start_timer countdown",
        "Starts a timer|Sets a timer|Countdown in minutes",
        [(simple("minutes", "minutes duration minutes length", "integer", "Minutes"),)],
        lambda rng: {"minutes": whole(rng, 1, 120)},
        is_action=True,
    ),
    kind(
        "alarm timer reminder",
        "alarm",
        "alarm set_alarm alarm_clock wake_up",
        "Sets an alarm|Alarm clock|Wakes the user",
        [(simple("time", "time at", "string", "Time of the alarm"),)],
        lambda rng: {"time": clock_text(rng)},
        is_action=True,
    ),
    kind(
        "light",
        "light",
        "light set_light lamp switch_light lights light_switch",
        "Switches a light|Turns a lamp on or off|Lights",
        [
            (ROOM, simple("switch", "state switch power status", "string", "on or off", enum=ON_OFF)),
            (simple("switch", "state switch power", "string", "on or off", enum=ON_OFF), ROOM),
        ],
        lambda rng: {"room": pick(rng, ROOMS), "switch": pick(rng, ON_OFF)},
        is_action=True,
    ),
    kind(
        "light",
        "dim",
        "dimmer set_brightness dim_light brightness",
        "Dims a light|Brightness of a lamp",
        [(ROOM, simple("percent", "percent brightness level", "integer", "0 to 100"))],
        lambda rng: {"room": pick(rng, ROOMS), "percent": whole(rng, 0, 100)},
        is_action=True,
    ),
    kind(
        "door",
        "door",
        "door set_door door_control lock control_door gate",
        "Opens, closes, locks doors|Door control|Moves a door",
        [
            (
                simple("door", "door name which", "string", "Which door"),
                simple(
                    "action",
                    "action command do",
                    "string",
                    "What to do",
                    enum=("open", "close", "lock", "unlock"),
                ),
            )
        ],
        lambda rng: {"door": pick(rng, DOORS), "action": pick(rng, ("open", "close", "lock", "unlock"))},
        is_action=True,
    ),
    kind(
        "stock",
        "stock",
        "stock stock_price get_stock_price quote get_quote",
        "Price of a share|Stock price|Gets a stock quote",
        [(simple("symbol", "symbol ticker stock", "string", "Ticker symbol", "Stock symbol"),)],
        lambda rng: {"symbol": pick(rng, SYMBOLS)},
    ),
    kind(
        "message",
        "message",
        "email send_email send_message message sms send_sms",
        "Sends a message|Sends an email|Write to someone",
        [
            (
                simple("person", _PERSON_NAMES, "string", "Who gets it"),
                simple("text", "text body message content", "string", "Text"),
            ),
            (
                simple("text", "text body message", "string", "The text"),
                simple("person", _PERSON_NAMES, "string", "Receiver"),
            ),
        ],
        lambda rng: {"person": pick(rng, FILLERS["first"]), "text": fill(rng, TEXTS)},
        is_action=True,
    ),
    kind(
        "music",
        "music",
        "music play_music play_song play player",
        "Plays music|Plays a song|Music player",
        [(simple("song", "song title track name query", "string", "What to play"),)],
        lambda rng: {"song": fill(rng, SONGS)},
        is_action=True,
    ),
    kind(
        "search",
        "search",
        "search web_search search_web google lookup",
        "Searches the web|Web search|Finds pages",
        [(simple("topic", "query q text search_term", "string", "What to search"),)],
        lambda rng: {"topic": fill(rng, TOPICS)},
    ),
    kind(
        "translate",
        "translate",
        "translate translator translate_text",
        "Translates a text|Translation|Translates words",
        [
            (
                simple("word", "text word input", "string", "Text to translate"),
                simple(
                    "language", "language to target target_language", "string", "Language", "Target language"
                ),
            )
        ],
        lambda rng: {"word": fill(rng, WORDS), "language": pick(rng, FILLERS["language"])},
    ),
    kind(
        "currency",
        "currency",
        "currency_converter convert_currency exchange exchange_rate",
        "Converts money|Converts currencies",
        [
            (
                simple("amount", "amount value", "number", "Amount of money"),
                simple("source", "from from_currency", "string", "From"),
                simple("target", "to to_currency", "string", "To"),
            )
        ],
        lambda rng: dict(
            zip(("amount", "source", "target"), (amount(rng), *((c, c) for c in rng.sample(CURRENCIES, 2))))
        ),
    ),
    kind(
        "reminder alarm",
        "reminder",
        "reminder add_reminder remind set_reminder",
        "Sets a reminder|Reminds the user|Reminders",
        [
            (
                simple("todo", "text task what title", "string", "What to do"),
                simple("time", "time at when", "string", "When"),
            )
        ],
        lambda rng: {"todo": fill(rng, TODOS), "time": clock_text(rng)},
        is_action=True,
    ),
    kind(
        "order",
        "order",
        "order_status get_order track_order order track",
        "Status of an order|Tracks an order|Looks up an order",
        [(simple("id", "order_id id number order", "string", "Order number"),)],
        draw_order,
    ),
    kind(
        "sensor",
        "sensor",
        "sensor read_sensor get_sensor sensor_value",
        "Reads a sensor|Value of a sensor|Sensor reading",
        [(simple("id", "id sensor_id sensor name", "string", "Which sensor"),)],
        draw_order,
    ),
    kind(
        "machine light speed",
        "machine",
        "machine set_machine switch power_switch relay",
        "Switches a machine on or off|Turns machines on and off",
        [
            (
                simple("machine", "machine device name", "string", "Which machine"),
                simple("switch", "state power switch", "string", "on or off", enum=ON_OFF),
            )
        ],
        lambda rng: {"machine": pick(rng, MACHINES), "switch": pick(rng, ON_OFF)},
        is_action=True,
    ),
    kind(
        "speed machine",
        "speed",
        "set_speed speed control_speed set_level",
        "Sets the speed of a machine|Level of a machine",
        [
            (
                simple("machine", "machine device name", "string", "Which machine"),
                simple("level", "level speed value", "integer", "Speed level"),
            )
        ],
        lambda rng: {"machine": pick(rng, MACHINES), "level": whole(rng, 0, 100)},
        is_action=True,
    ),
    kind(
        "random",
        "random",
        "random random_number rand dice",
        "Random number in a range|Draws a random number",
        [
            (simple("low", low, "integer", "Smallest"), simple("high", high, "integer", "Largest"))
            for low, high in (("min", "max"), ("low", "high"), ("from", "to"), ("lower", "upper"))
        ],
        draw_range,
    ),
    kind(
        "contact",
        "contact",
        "contacts find_contact phone_book get_contact",
        "Finds a phone number|Phone book|Contacts",
        [(simple("person", "name person contact", "string", "Name"),)],
        lambda rng: {"person": pick(rng, FILLERS["first"])},
    ),
    kind(
        "list",
        "list",
        "shopping_list add_item add_to_list list",
        "Adds to the shopping list|Shopping list",
        [(simple("thing", "item thing name", "string", "What to buy"),)],
        lambda rng: {
            "thing": fill(rng, ("{plural}", "{noun}", "{noun}", "{adjective} {noun}", "{noun} and {noun}"))
        },
        is_action=True,
    ),
    kind(
        "robot",
        "robot",
        "move robot move_robot drive walk",
        "Moves the robot|Drives a robot|Movement",
        [
            (
                simple("direction", "direction way", "string", "Where to"),
                simple("distance", "distance steps", "integer", "How far"),
            ),
            (
                simple("distance", "distance steps", "integer", "How far"),
                simple("direction", "direction way", "string", "Where to"),
            ),
        ],
        lambda rng: {"direction": pick(rng, DIRECTIONS), "distance": whole(rng, 1, 99)},
        is_action=True,
    ),
)


def invented_kind(rng: random.Random) -> Kind:
    """A tool that does something with a thing: its name, parameter and question share words, no more."""
    verb, noun = rng.choice(FILLERS["verb"]), rng.choice(FILLERS["noun"])
    param = rng.choice(
        "level value amount name id count color target mode size number text label price speed key".split()
    )
    words = {"verb": (verb, verb), "noun": (noun, noun)}
    names = (
        f"{verb}_{noun}",
        f"{verb}_{noun}",
        f"{noun}_{verb}",
        f"{verb}_the_{noun}",
        f"{verb}{noun.capitalize()}",
    )
    about = (f"{verb.capitalize()} the {noun}", f"{verb.capitalize()} a {noun}", f"Tool to {verb} a {noun}")
    groups = frozenset({verb, noun})
    if rng.random() < 0.25:
        return Kind(groups, "invented bare", names, about, ((),), lambda rng: words, True)
    if rng.random() < 0.6:
        kind_of_value, value = "integer", whole(rng, 0, 999)
    else:
        kind_of_value, value = "string", pick(
            rng, FILLERS[rng.choice(("adjective", "noun", "plural", "first", "city"))]
        )
    form = (Param("value", (param,), kind_of_value, (f"{param.capitalize()} of the {noun}",)),)
    return Kind(
        groups,
        "invented",
        names,
        about,
        (form,),
        lambda rng: words | {"param": (param, param), "value": value},
        True,
    )


ALL_KINDS = (*CALCULATORS, *SINGLE_CALCULATORS, UNIT_CONVERTER, CLOCK, THERMOSTAT, *OTHERS)
