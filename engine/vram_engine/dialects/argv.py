"""The one reader of ``vllm serve`` arguments: long flags, ``=``, underscores, unique beginnings, switches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vram_engine.deployment import Known, Origin, Setting
from vram_engine.dialects.values import Invalid, read_value
from vram_engine.facts.flags import Ambiguous, Flag, resolve_flag, short_flag, suggest_flags


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
        flag, negated = _flag(name)
        if not isinstance(flag, Flag):
            yield ArgumentProblem(word, _unknown(name, flag))
        elif flag.type == "bool":
            yield _switch(flag, word, value, bool(glued), negated, origin)
        else:
            if not glued and position < len(words):
                value, position = words[position], position + 1
            yield _valued(flag, word, value, origin)


def takes_a_value(option: str) -> bool:
    """Whether an option eats the next word: every one but a switch, and what is no option at all."""
    if not option.startswith("-"):
        return False
    flag, _ = _flag(option)
    return not (isinstance(flag, Flag) and flag.type == "bool")


def _flag(name: str) -> tuple[Flag | Ambiguous | None, bool]:
    if not name.startswith("--"):
        return short_flag(name), False
    key = name[2:].replace("_", "-")
    flag = resolve_flag(key)
    if flag is None and key.startswith("no-"):
        negated = resolve_flag(key.removeprefix("no-"))
        return (negated, True) if isinstance(negated, Flag) and negated.has_no_form else (None, False)
    return flag, False


def _unknown(name: str, flag: Ambiguous | None) -> str:
    if flag is not None:
        return f"{name} could be {', '.join('--' + each for each in flag.candidates)}"
    close = suggest_flags(name.lstrip("-").replace("_", "-"))
    hint = f"; did you mean --{close[0]}?" if close else ""
    return f"vllm serve has no option {name}{hint}"


def _switch(flag: Flag, word: str, value: str, glued: bool, negated: bool, origin: Origin) -> Setting | ArgumentProblem:
    if glued:
        return ArgumentProblem(word, f"--{flag.name} is a switch and takes no value, so {value!r} is refused")
    return Setting(flag.name, Known(not negated), origin, word)


def _valued(flag: Flag, word: str, value: str, origin: Origin) -> Setting | ArgumentProblem:
    read = read_value(flag, value)
    if isinstance(read, Invalid):
        return ArgumentProblem(word, read.message)
    return Setting(flag.name, read, origin, word)
