"""The one reader of ``vllm serve`` arguments, as vLLM's FlexibleArgumentParser reads them.

Long flags in kebab or snake case, ``=``, unique beginnings, short flags, switches and their ``--no-`` form, flags of
several words, dotted parts of JSON flags, repeats (the last wins), the positional model (vllm/utils/argparse_utils.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vram_engine.deployment import Known, Origin, Setting, Unknown
from vram_engine.dialects.chars import HOLE
from vram_engine.dialects.values import Invalid, human_int, read_value
from vram_engine.dialects.words import Word
from vram_engine.facts.flags import Ambiguous, Flag, flag, resolve_flag, short_flag, suggest_flags
from vram_engine.facts.versions import NEWEST, Version

# Before this release -O was the level of --compilation-config.
_OPTIMIZATION_LEVEL_SINCE = Version(0, 12, 0)

NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+", re.ASCII)
_LEVEL = re.compile(r"-O=?(\d)", re.ASCII)
# A flag and its value in one word: a program gets them as one, and knows no such flag.
_UNSPLIT = re.compile(r"(--?[A-Za-z][\w.-]*)(\s+)(\S.*)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """A word that vLLM's parser would refuse, and why."""

    word: str
    message: str


def read_argv(words: Sequence[str], origin: Origin) -> Iterator[Setting | ArgumentProblem]:
    """The settings in ``words``, in order; of a repeated flag the last one wins, as for vLLM."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        name, glued, value = word.partition("=")
        found, negated = find_flag(name)
        if not isinstance(found, Flag):
            yield ArgumentProblem(word, unknown_option(name, found))
        elif found.type == "bool":
            yield _switch(found, word, value, bool(glued), negated, origin)
        else:
            if not glued and position < len(words):
                value, position = words[position], position + 1
            yield _valued(found, word, value, origin)


def takes_a_value(option: str) -> bool:
    """Whether an option eats the next word: every one but a switch, and what is no option at all."""
    if not option.startswith("-"):
        return False
    found, _ = find_flag(option)
    return not (isinstance(found, Flag) and found.type == "bool")


def find_flag(name: str, version: Version = NEWEST) -> tuple[Flag | Ambiguous | None, bool]:
    """The flag an option stands for, and whether it is its ``--no-`` form."""
    if not name.startswith("--"):
        return short_flag(name), False
    key = name[2:].replace("_", "-")
    found = resolve_flag(key, version)
    if found is None and key.startswith("no-"):
        negated = resolve_flag(key.removeprefix("no-"), version)
        return (negated, True) if isinstance(negated, Flag) and negated.has_no_form else (None, False)
    return found, False


def unknown_option(name: str, found: Ambiguous | None) -> str:
    """Why an option is none, and what may have been meant."""
    if found is not None:
        return f"{name} could be {', '.join('--' + each for each in found.candidates)}"
    close = suggest_flags(name.lstrip("-").replace("_", "-"))
    hint = f"; did you mean --{close[0]}?" if close else ""
    return f"vllm serve has no option {name}{hint}"


def _switch(
    found: Flag, word: str, value: str, glued: bool, negated: bool, origin: Origin
) -> Setting | ArgumentProblem:
    if glued:
        return ArgumentProblem(word, f"--{found.name} is a switch and takes no value, so {value!r} is refused")
    return Setting(found.name, Known(not negated), origin, word)


def _valued(found: Flag, word: str, value: str, origin: Origin) -> Setting | ArgumentProblem:
    read = read_value(found, value)
    if isinstance(read, Invalid):
        return ArgumentProblem(word, read.message)
    return Setting(found.name, read, origin, word)


@dataclass(frozen=True, slots=True)
class Argument:
    """One option with its values: ``words[start:end]``.

    ``flag`` is None for an option that is not known, Ambiguous for the beginning of several. ``value`` is None where
    nothing was given. ``unsplit`` says that option and value are one word.
    """

    start: int
    end: int
    option: str
    flag: Flag | Ambiguous | None
    negated: bool
    value: Word | None
    values: tuple[Word, ...] = ()
    glued: bool = False
    unsplit: bool = False


@dataclass(frozen=True, slots=True)
class Positional:
    """A word that belongs to no option."""

    at: int
    word: Word


@dataclass(frozen=True, slots=True)
class Hole:
    """Where arguments may be that cannot be told."""

    word: Word
    reason: str


def arguments(words: Sequence[Word], version: Version) -> Iterator[Argument | Positional | Hole]:
    """``words`` as options with their values, in order."""
    at = 0
    options = True
    while at < len(words):
        word = words[at]
        if _may_be_more(word, at):
            yield Hole(word, word.hole or "")
            at += 1
        elif options and word.text == "--":
            options, at = False, at + 1
        elif options and is_option(word):
            argument = _argument(words, at, version)
            yield argument
            at = argument.end
        else:
            yield Positional(at, word)
            at += 1


def _may_be_more(word: Word, at: int) -> bool:
    """Whether a word that cannot be told may be options; the first one can only be the model."""
    if word.hole is None or at == 0:
        return False
    return HOLE in word.text.partition("=")[0] if word.text.startswith("-") else word.text.startswith(HOLE)


def is_option(word: Word) -> bool:
    """Whether argparse would take the word for an option and not for a value."""
    return len(word.text) > 1 and word.text.startswith("-") and NEGATIVE_NUMBER.fullmatch(word.text) is None


def _argument(words: Sequence[Word], at: int, version: Version) -> Argument:
    word = words[at]
    unsplit = _UNSPLIT.fullmatch(word.text)
    if unsplit is not None:
        found, negated = find_flag(unsplit[1], version)
        value = word.part(unsplit.start(3))
        return Argument(at, at + 1, unsplit[1], found, negated, value, (value,), unsplit=True)
    level = _LEVEL.fullmatch(word.text)
    if level is not None or word.text == "-O":
        return _optimization_level(words, at, version, level)
    option, glued, _ = word.text.partition("=")
    dotted = "." in option
    found, negated = find_flag(option.partition(".")[0] if dotted else option, version)
    if glued:
        value = word.part(len(option) + 1)
        return Argument(at, at + 1, option, found, negated, value, (value,), glued=True)
    values = tuple(_values(words, at + 1, found, takes_any=dotted))
    return Argument(at, at + 1 + len(values), option, found, negated, values[0] if values else None, values)


def _optimization_level(words: Sequence[Word], at: int, version: Version, level: re.Match[str] | None) -> Argument:
    """``-O3``, ``-O=3`` and ``-O 3``."""
    found = flag("optimization-level" if version >= _OPTIMIZATION_LEVEL_SINCE else "compilation-config")
    if level is not None:
        value = words[at].part(level.start(1))
        return Argument(at, at + 1, "-O", found, False, value, (value,), glued=True)
    values = tuple(words[at + 1 : at + 2])
    return Argument(at, at + 1 + len(values), "-O", found, False, values[0] if values else None, values)


def _values(words: Sequence[Word], at: int, found: Flag | Ambiguous | None, *, takes_any: bool) -> Iterator[Word]:
    """The words an option eats. A dotted one eats whatever follows; one that is not known is taken to eat one."""
    if takes_any:
        yield from words[at : at + 1]
        return
    if isinstance(found, Flag) and found.type == "bool":
        return
    several = isinstance(found, Flag) and found.nargs in ("+", "*")
    for word in words[at:] if several else words[at : at + 1]:
        if is_option(word):
            return
        yield word


def json_part(option: str, text: str) -> dict[str, object]:
    """What ``--config.a.b VALUE`` adds to the JSON of ``--config``; a ``+`` at the end makes a list of the value."""
    appended = option.endswith("+")
    _, *keys = option.removesuffix("+").split(".")
    value: object = text.split(",") if appended else _json_or_text(text)
    for key in reversed(keys):
        value = {key: value}
    return value if isinstance(value, dict) else {}


def merged(one: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """Two JSON maps as one: maps are merged, lists joined, and of anything else the second wins."""
    result = dict(one)
    for key, value in other.items():
        known = result.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            result[key] = merged(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            result[key] = [*known, *value]
        else:
            result[key] = value
    return result


def _json_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return human_int(text)
    except (ValueError, OverflowError):
        return text


def value_of(found: Flag, values: Sequence[Word]) -> Known | Unknown | Invalid:
    """The value of an option from the words it was given."""
    reason = next((word.hole for word in values if word.hole is not None), None)
    if reason is not None:
        return Unknown(f"{found.name}: {reason}")
    if not values:
        return Invalid(f"--{found.name} needs a value") if found.nargs != "?" else Known("")
    if len(values) > 1:
        return Known(json.dumps([word.text for word in values]))
    return read_value(found, values[0].text)
