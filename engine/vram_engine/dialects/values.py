"""One flag's value, from the words vLLM's argument parser would see: one reading for every dialect."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from vram_engine.deployment import Known, Scalar, Unknown
from vram_engine.dialects.spelling import closest
from vram_engine.facts.flags import Flag

_HUMAN = re.compile(r"(\d+(?:\.\d+)?)([kmgtKMGT])")
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_LARGEST = 2**63
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Invalid:
    """A value that vLLM's parser refuses, in a sentence that says what would do."""

    message: str
    instead: str | None = None


def human_int(text: str) -> int:
    """``32k`` is 32000, ``32K`` is 32768, ``25.6k`` is 25600 (vLLM's human-readable integers). Raises ValueError."""
    text = text.strip()
    match = _HUMAN.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return _int(text)
    number, unit = match.groups()
    if unit in _BINARY:
        return _int(number) * _BINARY[unit]
    whole, _, fraction = number.partition(".")
    scale = _DECIMAL[unit]
    return int(whole) * scale + int(fraction or "0") * scale // int("1" + "0" * len(fraction))


def _int(text: str) -> int:
    if len(text) > _LONGEST:
        raise ValueError("too long for a whole number")
    return int(text)


def read_value(flag: Flag, text: str) -> Known | Unknown | Invalid:
    """The value of a flag given as a word. Ranges that have a rule of their own are not checked here."""
    if flag.nullable and text in ("", "None"):
        return Unknown(f"{flag.name} is null")
    try:
        value = _convert(flag, text)
    except (ValueError, OverflowError):
        return Invalid(f"{flag.name}: {text!r} is not {_wanted(flag)}")
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return Invalid(f"{flag.name}: {text} is too large")
    if flag.choices and str(value) not in flag.choices:
        return _not_a_choice(flag, text)
    if isinstance(value, int | float) and flag.ge is not None and value < flag.ge:
        return Invalid(f"{flag.name}: {text} is below {flag.ge:g}, the least vLLM takes")
    return Known(value)


def _convert(flag: Flag, text: str) -> Scalar:
    if flag.type == "int":
        if flag.name == "max-model-len" and text.lower() == "auto":
            return -1
        return human_int(text) if flag.human_int else _int(text)
    if flag.type == "float":
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("no finite number")
        return value
    return text


def _wanted(flag: Flag) -> str:
    if flag.type == "float":
        return "a number"
    return "a whole number (32k and 32K are understood)" if flag.human_int else "a whole number"


def _not_a_choice(flag: Flag, text: str) -> Invalid:
    close = closest(text, flag.choices)
    hint = f"; did you mean {close}?" if close else f"; one of {', '.join(flag.choices)}"
    return Invalid(f"{flag.name}: vLLM knows no {text!r}{hint}", close)
