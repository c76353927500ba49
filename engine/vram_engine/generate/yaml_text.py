"""YAML written by ruamel.yaml: plain data with, here and there, a comment that says why."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vram_engine.syntax.scalars import yaml11

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

# Of YAML 1.1 alone: a value tag and the merge key, which a safe loader does not take for text.
_SPECIAL = frozenset({"=", "<<"})


@dataclass(frozen=True, slots=True)
class Because:
    """A value, and the comment that stands on the lines before its key."""

    value: object
    why: str


def yaml_text(data: Mapping[str, object], header: tuple[str, ...]) -> str:
    """One YAML document below comment lines. Strings that any YAML reads as something else are quoted."""
    from ruamel.yaml import YAML

    writer = YAML()
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.width = 2**16
    stream = io.StringIO()
    writer.dump(_map(data, 0), stream)
    return "".join(f"# {line}\n" for line in header) + stream.getvalue()


def _map(data: Mapping[str, object], column: int) -> CommentedMap:
    from ruamel.yaml.comments import CommentedMap

    written = CommentedMap()
    for key, value in data.items():
        why = value.why if isinstance(value, Because) else None
        written[_scalar(key)] = _node(value.value if isinstance(value, Because) else value, column)
        if why is not None:
            written.yaml_set_comment_before_after_key(key, before=why, indent=column)
    return written


def _node(value: object, column: int) -> Any:
    if isinstance(value, Mapping):
        return _map(value, column + 2)
    if isinstance(value, list | tuple):
        return [_map(item, column + 4) if isinstance(item, Mapping) else _scalar(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> object:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if not isinstance(value, str):
        return value
    plain = yaml11(value, "", None)
    risky = not isinstance(plain, str) or value in _SPECIAL or "\n" in value or "\t" in value or value != value.strip()
    return DoubleQuotedScalarString(value) if risky else value
