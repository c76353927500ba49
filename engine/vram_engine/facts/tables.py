"""Reads the TOML tables that ship with the package, for the loaders beside it."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any


def table(name: str) -> dict[str, dict[str, Any]]:
    """The rows of ``data/NAME.toml`` by key. Loaders make a dataclass of each, so that an unknown key is an error."""
    path = resources.files("vram_engine.facts").joinpath(f"data/{name}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
