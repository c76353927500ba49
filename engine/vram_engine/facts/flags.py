"""The options of ``vllm serve``: what each takes, since when, and which one a spelling means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

from vram_engine.facts.tables import table
from vram_engine.facts.versions import NEWEST, Version, parse_version

# The releases whose parsers the table rests on, oldest first. A change shows up in the first scanned one after it.
SCANNED = tuple(
    Version(0, minor, patch)
    for minor, patch in (
        *((6, 6), (8, 5), (9, 2), (10, 2), (11, 0), (12, 0), (14, 1), (16, 0), (18, 0), (19, 1)),
        *((20, 0), (22, 0), (24, 0), (26, 0), (28, 0), (29, 0), (30, 0), (31, 0), (32, 0), (33, 0)),
    )
)

_LONGEST_NAME = 64

Default: TypeAlias = str | int | float | bool | tuple[str | int, ...] | None


@dataclass(frozen=True, slots=True)
class Flag:
    """One option, by its long name in kebab case without dashes.

    ``type`` is str, int, float, bool, json, ``json or str`` or ``list[...]`` of the simple ones. ``choices`` are
    enforced by vLLM's parser, ``suggestions`` are not. ``default`` is that of 0.32; ``None`` where there is none or
    ``default_rule`` says how vLLM computes it. ``since`` is the first scanned version with the flag, ``gone_in`` the
    first one without it again; ``None`` where no scanned version lacks it. ``memory`` marks what changes GPU memory,
    ``core`` what hardly another program has.
    """

    name: str
    group: str
    type: str
    description: str
    nargs: str | None = None
    positional: bool = False
    nullable: bool = False
    has_no_form: bool = False
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    human_int: bool = False
    default: Default = None
    default_rule: str | None = None
    since: Version | None = None
    gone_in: Version | None = None
    deprecated: str | None = None
    replacement: str | None = None
    memory: bool = False
    core: bool = False

    @property
    def until(self) -> Version | None:
        """The last scanned version that has the flag, for one that is gone."""
        return None if self.gone_in is None else _scanned_before(self.gone_in)

    def accepted_by(self, version: Version) -> bool | None:
        """Whether that vLLM has the flag; ``None`` for a release between the two scanned ones it changed in."""
        if self.since is not None and version < self.since:
            return False if version <= _scanned_before(self.since) else None
        if self.gone_in is not None and version > _scanned_before(self.gone_in):
            return False if version >= self.gone_in else None
        return True


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A prefix of several options, which vLLM's parser refuses."""

    candidates: tuple[str, ...]


def _scanned_before(version: Version) -> Version:
    return max(scanned for scanned in SCANNED if scanned < version)


def flag(name: str) -> Flag | None:
    """The flag of that long name, in kebab or snake case and without leading dashes, in whatever version it existed."""
    return _by_name().get(name.replace("_", "-"))


def short_flag(option: str) -> Flag | None:
    """The flag behind a short option, such as ``-tp``."""
    return _by_short().get(option)


def all_flags() -> tuple[Flag, ...]:
    """Every flag known, those of older and newer versions included."""
    return tuple(_flags().values())


@cache
def sizing_flags() -> frozenset[str]:
    """Names of the flags that change how much GPU memory is needed or available."""
    return frozenset(name for name, known in _flags().items() if known.memory)


@lru_cache(maxsize=2048)
def resolve_flag(name: str, version: Version = NEWEST) -> Flag | Ambiguous | None:
    """The flag ``name`` stands for: its own name in any version, else the one option of ``version`` it begins.

    That is argparse's rule, which vLLM leaves switched on. Prefixes of ``no-`` forms alone are not resolved here.
    """
    wanted = name.replace("_", "-")
    exact = _by_name().get(wanted)
    if exact is not None and not exact.positional:
        return exact
    if not wanted or wanted in _negated():
        return None
    options = {option: known for option, known in _options(version) if option.startswith(wanted)}
    if len({known.name for known in options.values()}) > 1:
        return Ambiguous(tuple(sorted(options)))
    return next((known for option, known in options.items() if option not in _negated()), None)


def removed_flag(name: str, version: Version) -> Flag | None:
    """The flag of that name if ``version`` certainly no longer has it."""
    known = flag(name)
    gone = known is not None and known.gone_in is not None and version >= known.gone_in
    return known if gone else None


@lru_cache(maxsize=2048)
def suggest_flags(name: str, most: int = 3) -> tuple[str, ...]:
    """Names of current flags within a few keystrokes of ``name``, nearest first: what a misspelling may have meant."""
    import difflib

    wanted = name.replace("_", "-")[:_LONGEST_NAME]
    current = [known for known, row in _by_name().items() if row.gone_in is None and not row.positional]
    close = difflib.get_close_matches(wanted, current, n=2 * most, cutoff=0.75)
    distances = {known: edit_distance(wanted, known) for known in close}
    near = [known for known in close if distances[known] <= _forgivable(known)]
    return tuple(sorted(near, key=distances.__getitem__)[:most])


def _forgivable(name: str) -> int:
    """Keystrokes by which a name of that length may be off and still be a misspelling of it."""
    return 1 if len(name) < 6 else 2 if len(name) < 12 else 3


def edit_distance(one: str, other: str) -> int:
    """Characters to add, drop, replace or swap with their neighbour to make ``other`` of ``one``."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, char in enumerate(one, 1):
        current = [row]
        for column, wanted in enumerate(other, 1):
            best = min(last[column] + 1, current[-1] + 1, last[column - 1] + (char != wanted))
            if row > 1 and column > 1 and char == other[column - 2] and one[row - 2] == wanted:
                best = min(best, before[column - 2] + 1)
            current.append(best)
        before, last = last, current
    return last[-1]


@cache
def _flags() -> Mapping[str, Flag]:
    return MappingProxyType({name: _flag(name, row) for name, row in table("flags").items()})


def _flag(name: str, row: dict[str, Any]) -> Flag:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    for key in ("since", "gone_in"):
        if key in fields:
            fields[key] = parse_version(fields[key])
    return Flag(name=name, **fields)


@cache
def _by_name() -> Mapping[str, Flag]:
    """Flags by every long name they have."""
    names = {name: known for known in _flags().values() for name in _long_names(known)}
    return MappingProxyType(names)


@cache
def _by_short() -> Mapping[str, Flag]:
    return MappingProxyType(
        {alias: known for known in _flags().values() for alias in known.aliases if not alias.startswith("--")}
    )


@cache
def _negated() -> frozenset[str]:
    return frozenset(f"no-{name}" for name, known in _by_name().items() if known.has_no_form)


@cache
def _options(version: Version) -> tuple[tuple[str, Flag], ...]:
    """Every long option that ``version`` has, or may have, without its dashes."""
    return tuple(
        (option, known)
        for name, known in _by_name().items()
        if not known.positional and known.accepted_by(version) is not False
        for option in ((name, f"no-{name}") if known.has_no_form else (name,))
    )


def _long_names(known: Flag) -> Iterator[str]:
    yield known.name
    for alias in known.aliases:
        if alias.startswith("--"):
            yield alias.removeprefix("--")
