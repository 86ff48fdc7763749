"""The families of problems: each module has FAMILIES, a dict from a family's name to a function Source -> Problem."""

import functools
import importlib

MODULES = tuple(
    "recall arithmetic mixed ordering units fractions algebra words logic rules tools json_answers refusals".split()
)


@functools.cache
def all_families() -> dict:
    """Every family's name with the function that makes one problem of it."""
    return families_of(MODULES)


def families_of(modules) -> dict:
    """The families of these modules. A module that can't be imported raises its error."""
    families = {}
    for module in modules:
        families.update(importlib.import_module(f"families.{module}").FAMILIES)
    return families
