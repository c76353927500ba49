"""Scalars as PyYAML's safe loader reads them, which is YAML 1.1 and what vLLM sees: ``on`` is true, ``1e3`` is text."""

from __future__ import annotations

from typing import TypeAlias

import yaml

Value: TypeAlias = str | int | float | bool | None

# PyYAML's own resolver and constructors are the definition; a second table here could only drift from them.
_LOADER = yaml.SafeLoader("")

_READ = {
    "tag:yaml.org,2002:null": _LOADER.construct_yaml_null,
    "tag:yaml.org,2002:bool": _LOADER.construct_yaml_bool,
    "tag:yaml.org,2002:int": _LOADER.construct_yaml_int,
    "tag:yaml.org,2002:float": _LOADER.construct_yaml_float,
}

# Python refuses to turn longer digit strings into an int; no setting of vLLM comes near it.
_LONGEST_NUMBER = 400


def yaml11(text: str, style: str, tag: str | None) -> Value:
    """The Python value of a scalar. Timestamps, binary and unknown tags stay text."""
    if len(text) > _LONGEST_NUMBER:
        return text
    resolved = tag or _LOADER.resolve(yaml.ScalarNode, text, (style == "", style != ""))  # type: ignore[no-untyped-call]  # the stubs leave it untyped
    read = _READ.get(resolved)
    if read is None:
        return text
    try:
        value: Value = read(yaml.ScalarNode(resolved, text))
    except (ValueError, IndexError, KeyError):
        return text
    return value
