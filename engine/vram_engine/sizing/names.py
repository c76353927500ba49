"""Reads the ignore lists and targets of quantized checkpoints: which format a module of a given name is stored in.

Each quantization method of vLLM matches names in its own way; the patterns come from outside and are not trusted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import translate
from functools import lru_cache

from vram_engine.model.spec import CheckpointQuantization, WeightFormat
from vram_engine.sizing.parallelism import Refusal

LONGEST_PATTERN = 400
MOST_REPEATS = 4
# With one of these AutoRound takes a name for a regular expression.
SPECIAL = frozenset("*+?^$()[]{}|\\")

_NESTED_REPEAT = re.compile(r"\([^()]*[*+}][^()]*\)[*+{]")


class UnsafePatternError(Exception):
    """A pattern of a config that could take for ever to match, or is no pattern."""


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression from a config, if matching it is sure to be quick."""
    repeats = sum(pattern.count(sign) for sign in ("*", "+", "{"))
    if len(pattern) > LONGEST_PATTERN or repeats > MOST_REPEATS or _NESTED_REPEAT.search(pattern):
        raise UnsafePatternError(f"the quantization config holds a pattern that is not safe to match: {pattern[:60]!r}")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UnsafePatternError(f"the quantization config holds an invalid pattern: {pattern[:60]!r}") from error


@lru_cache(maxsize=8192)
def glob(pattern: str) -> re.Pattern[str]:
    """A shell pattern from a config."""
    if len(pattern) > LONGEST_PATTERN or pattern.count("*") > MOST_REPEATS:
        raise UnsafePatternError(f"the quantization config holds a pattern that is not safe to match: {pattern[:60]!r}")
    return re.compile(translate(pattern))


def renamed(name: str, renames: tuple[tuple[str, str], ...]) -> str:
    """A checkpoint's module name as the model class calls it (``WeightsMapper`` prefixes, each tried once)."""
    for old, new in renames:
        if name.startswith(old):
            name = new + name[len(old) :]
    return name


@dataclass(frozen=True, slots=True)
class Names:
    """Answers, for a module's full name in vLLM, which format it is stored in; ``None`` is full precision.

    ``ignored`` decides for one exact name; the fused parts of a module must agree.
    """

    stored: CheckpointQuantization
    ignored: Callable[[str], bool]
    ignored_fused: Callable[[str], bool]
    ignored_experts: Callable[[str], bool]
    target: Callable[[str], tuple[WeightFormat | None] | None]

    def linear(self, name: str, parts: tuple[str, ...]) -> WeightFormat | Refusal | None:
        """The format of a linear; ``parts`` are the checkpoint's names of its fused shards."""
        shards = _shards(name, parts)
        if self.ignored_fused(name):
            return None
        skipped = [self.ignored(shard) for shard in shards]
        if any(skipped):
            return None if all(skipped) else _disagree(name)
        formats = {self._target(shard) for shard in (shards if self.target(name) is None else (name,))}
        return formats.pop() if len(formats) == 1 else _disagree(name)

    def experts(self, name: str, parts: tuple[str, ...]) -> WeightFormat | None:
        """The format of routed experts, that of their first expert's projections."""
        if self.ignored_experts(name) or all(self.ignored(f"{name}.0.{part}") for part in parts):
            return None
        for candidate in (name, f"{name}.0.{parts[-1]}"):
            found = self.target(candidate)
            if found is not None:
                return found[0]
        return self.stored.experts_default or self.stored.default

    def head(self, name: str) -> WeightFormat | None:
        """The format of an output head: compressed-tensors must name it, the others say so once."""
        if self.ignored(name) or self.ignored_fused(name):
            return None
        found = self.target(name)
        if found is not None:
            return found[0]
        return self.stored.default if self.stored.lm_head else None

    def _target(self, name: str) -> WeightFormat | None:
        found = self.target(name)
        return self.stored.default if found is None else found[0]


def _shards(name: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    stem, _, last = name.rpartition(".")
    if not parts or parts == (last,):
        return (name,)
    return tuple(f"{stem}.{part}" for part in parts)


def _disagree(name: str) -> Refusal:
    return Refusal(
        f"Detected some but not all shards of {name} are quantized. All shards of fused layers to have the same "
        "precision."
    )


def names_of(stored: CheckpointQuantization, renames: tuple[tuple[str, str], ...]) -> Names:
    """The name rules of a quantization method for a model class with these renames."""
    ignored = stored.ignored
    if stored.matching == "globs":
        ignored = tuple(part for entry in ignored for part in _expanded(entry))
    entries = tuple(renamed(entry, renames) for entry in ignored)
    targets = tuple((renamed(pattern, renames), weight) for pattern, weight in stored.targets)
    names = MATCHERS[stored.matching](stored, entries, targets)
    return _within(names, tuple(renamed(block, renames) for block in stored.within)) if stored.within else names


Targets = tuple[tuple[str, WeightFormat | None], ...]


def _within(names: Names, blocks: tuple[str, ...]) -> Names:
    """AutoRound: full precision outside of the blocks it was given, unless a target says otherwise."""

    def outside(name: str) -> bool:
        return not name.startswith(blocks) and names.target(name) is None

    return replace(names, ignored=outside, ignored_fused=_never, ignored_experts=outside)


def _exact_target(targets: Targets) -> Callable[[str], tuple[WeightFormat | None] | None]:
    table = dict(targets)
    return lambda name: (table[name],) if name in table else None


def _never(_: str) -> bool:
    return False


def _exact(stored: CheckpointQuantization, entries: tuple[str, ...], targets: Targets) -> Names:
    """fp8: exact names; experts are ignored where an entry about experts holds their name (``is_layer_skipped``)."""
    named = frozenset(entries)
    about_experts = tuple(entry for entry in entries if "experts" in entry)
    return Names(
        stored,
        named.__contains__,
        named.__contains__,
        lambda name: any(name in entry for entry in about_experts),
        _exact_target(targets),
    )


def _substring(stored: CheckpointQuantization, entries: tuple[str, ...], targets: Targets) -> Names:
    """AWQ: an entry anywhere in the name."""

    def ignored(name: str) -> bool:
        return any(entry in name for entry in entries)

    return Names(stored, ignored, ignored, ignored, _exact_target(targets))


def _suffix(stored: CheckpointQuantization, entries: tuple[str, ...], targets: Targets) -> Names:
    """bitsandbytes: an entry at the end of the name, or a component of it."""

    def ignored(name: str) -> bool:
        return any(f".{entry}." in f".{name}." for entry in entries)

    return Names(stored, ignored, ignored, ignored, _exact_target(targets))


def _regexes(stored: CheckpointQuantization, entries: tuple[str, ...], targets: Targets) -> Names:
    """GPTQ: targets are regular expressions, the first that matches from the start decides."""
    rules = tuple((compiled(pattern), weight) for pattern, weight in targets)

    def target(name: str) -> tuple[WeightFormat | None] | None:
        return next(((weight,) for rule, weight in rules if rule.match(name)), None)

    named = frozenset(entries)
    return Names(stored, named.__contains__, _never, _never, target)


def _searched(stored: CheckpointQuantization, entries: tuple[str, ...], targets: Targets) -> Names:
    """AutoRound: exact names first, then regular expressions found anywhere (``get_layer_config``)."""
    table = dict(targets)
    rules = tuple((compiled(name), weight) for name, weight in targets if not SPECIAL.isdisjoint(name))

    def target(name: str) -> tuple[WeightFormat | None] | None:
        if name in table:
            return (table[name],)
        return next(((weight,) for rule, weight in rules if rule.search(name)), None)

    return Names(stored, frozenset(entries).__contains__, _never, _never, target)


def _patterns(stored: CheckpointQuantization, entries: tuple[str, ...], targets: Targets) -> Names:
    """compressed-tensors: exact names, or regular expressions after ``re:``."""
    named, rules = _split_patterns(entries)
    by_name = {pattern: weight for pattern, weight in targets if not pattern.startswith("re:")}
    by_rule = tuple((compiled(pattern[3:]), weight) for pattern, weight in targets if pattern.startswith("re:"))

    def ignored(name: str) -> bool:
        return name in named or any(rule.match(name) for rule in rules)

    def target(name: str) -> tuple[WeightFormat | None] | None:
        if name in by_name:
            return (by_name[name],)
        return next(((weight,) for rule, weight in by_rule if rule.match(name)), None)

    return Names(stored, ignored, ignored, _never, target)


def _split_patterns(entries: Iterable[str]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    plain = frozenset(entry for entry in entries if not entry.startswith("re:"))
    return plain, tuple(compiled(entry[3:]) for entry in entries if entry.startswith("re:"))


def _globs(stored: CheckpointQuantization, entries: tuple[str, ...], targets: Targets) -> Names:
    """ModelOpt: exact names of shards, any part of the whole name, or shell patterns (``is_layer_excluded``)."""
    named = frozenset(entries)
    plain = tuple(entry for entry in entries if "*" not in entry and "?" not in entry)
    rules = tuple(glob(entry) for entry in entries if "*" in entry or "?" in entry)

    def excluded(name: str) -> bool:
        return any(entry in name for entry in plain) or any(rule.match(name) for rule in rules)

    about_experts = tuple(entry for entry in entries if "experts" in entry)

    def experts(name: str) -> bool:
        return excluded(name) or any(name in entry for entry in about_experts)

    return Names(stored, named.__contains__, excluded, experts, _modelopt_target(targets))


def _expanded(entry: str) -> tuple[str, ...]:
    """ModelOpt's ``layers.0*`` stands for ``layers.0`` itself and ``layers.0.`` with anything after it."""
    if len(entry) >= 2 and entry.endswith("*") and entry[-2] != ".":
        return (entry[:-1], f"{entry[:-1]}.*")
    return (entry,)


def _modelopt_target(targets: Targets) -> Callable[[str], tuple[WeightFormat | None] | None]:
    """Mixed precision names each module; an output head below a prefix may be called ``lm_head`` alone."""
    table = dict(targets)

    def target(name: str) -> tuple[WeightFormat | None] | None:
        for candidate in (name, "lm_head") if name.endswith(".lm_head") else (name,):
            if candidate in table:
                return (table[candidate],)
        return None

    return target


MATCHERS: dict[str, Callable[[CheckpointQuantization, tuple[str, ...], Targets], Names]] = {
    "exact": _exact,
    "substring": _substring,
    "suffix": _suffix,
    "regexes": _regexes,
    "searched": _searched,
    "patterns": _patterns,
    "globs": _globs,
}
