"""vLLM's flags as words of a command line, one option at a time."""

from __future__ import annotations

import json

from vram_engine.deployment import Scalar
from vram_engine.dialects.argv import NEGATIVE_NUMBER
from vram_engine.facts.flags import Flag
from vram_engine.generate.order import Order, Refused

# Options, each with the words that belong to it.
Options = tuple[tuple[str, ...], ...]


def options_of(order: Order) -> Options | Refused:
    """Every flag of an order as words, in order; refused where argparse would take a value for an option."""
    options: list[tuple[str, ...]] = []
    for each, value in order.flags:
        words = option(each, value)
        if isinstance(words, Refused):
            return words
        if words:
            options.append(words)
    return tuple(options)


def option(known: Flag, value: Scalar) -> tuple[str, ...] | Refused:
    """One flag as words; none for an empty list, which says nothing."""
    if known.type == "bool":
        return (f"--{known.name}" if value is True else f"--no-{known.name}",)
    values = values_of(known, value)
    if not values or (known.nargs == "?" and values == ("",)):
        return (f"--{known.name}",) if values else ()
    if not any(_looks_like_an_option(each) for each in values):
        return (f"--{known.name}", *values)
    if len(values) > 1:
        return Refused(f"--{known.name} has several values, one of which begins with a dash")
    return (f"--{known.name}={values[0]}",)


def values_of(known: Flag, value: Scalar) -> tuple[str, ...]:
    """The words of a flag's value: several for a list, the text itself for anything else."""
    items = _listed(value) if known.type.startswith("list") else None
    return (str(value),) if items is None else tuple(_word(item) for item in items)


def _listed(value: Scalar) -> list[object] | None:
    """A value that was given as several words, which is kept as JSON."""
    if not isinstance(value, str) or not value.startswith("["):
        return None
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return items if isinstance(items, list) else None


def _word(item: object) -> str:
    return item if isinstance(item, str) else json.dumps(item)


def _looks_like_an_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and NEGATIVE_NUMBER.fullmatch(word) is None


def model_words(model: str) -> tuple[str, ...]:
    """The model as the first argument of ``vllm serve``."""
    return (f"--model={model}",) if model.startswith("-") else (model,)
