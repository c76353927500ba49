"""Files that a text names and the core cannot open: what it asks for, and what it is lent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file by its path outside any container: absolute, or relative to the text that names it."""

    path: str


@dataclass(frozen=True, slots=True)
class LentFile:
    """A file's text, and the absolute path it was found at; an empty one where that is not on this machine."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Unlent:
    """Why a file cannot be lent, as a clause."""

    reason: str


FilesKnown: TypeAlias = Mapping[FileRef, LentFile | Unlent]
