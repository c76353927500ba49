"""vLLM versions as comparable values, and the newest one this engine knows."""

from __future__ import annotations

import re
from typing import NamedTuple


class Version(NamedTuple):
    """A vLLM release. Suffixes (``.post1``, ``rc1``, ``+cu128``) do not change accounting and are dropped."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


NEWEST = Version(0, 33, 0)

_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?![\d])(?:[.+-]?[a-z].*|\+.*|\.post\d+)?", re.ASCII)


def parse_version(text: str) -> Version | None:
    """``"v0.9.2"`` and ``"0.11.0.post2"`` as a Version; ``None`` for ``latest``, a digest or anything else."""
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        return None
    major, minor, patch = match.groups()
    return Version(int(major), int(minor), int(patch or 0))
