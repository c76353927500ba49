"""What ``docker run`` mounts into the container that it starts, and the short form of a mount."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from vram_engine.dialects.chars import HOLE
from vram_engine.dialects.words import Word
from vram_engine.mounts import ContainerFiles, Mount

_VOLUME_OPTIONS = frozenset({"-v", "--volume"})
_DIRECTORY_OPTIONS = frozenset({"-w", "--workdir"})


def mount(target: str, source: str) -> Mount:
    """A mount, whose source is a path if it is absolute or starts with a dot, and else the name of a volume."""
    is_path = source.startswith(("/", "./", "../")) or source in (".", "..")
    return Mount(target, source if is_path and HOLE not in source else "")


def short_mounts(written: str) -> Iterator[Mount]:
    """``SOURCE:TARGET:MODE``; a target alone is a volume without a name."""
    source, sign, rest = written.partition(":")
    target = rest.partition(":")[0] if sign else source
    if target.startswith("/"):
        yield mount(target, source if sign else "")


def docker_files(words: Sequence[Word]) -> ContainerFiles | None:
    """The files of a container that ``docker run`` starts, whose words end with the image; None for no such words."""
    if not words:
        return None
    mounts: list[Mount] = []
    directory = ""
    for word, following in pairwise(words):
        option, glued, value = word.text.partition("=")
        value = value if glued else following.text
        if option in _VOLUME_OPTIONS:
            mounts += short_mounts(value)
        elif option == "--mount":
            mounts += _long(value)
        elif option in _DIRECTORY_OPTIONS:
            directory = value
    return ContainerFiles(tuple(mounts), directory)


def _long(written: str) -> Iterator[Mount]:
    """``type=bind,source=...,target=...``."""
    said = dict(part.partition("=")[::2] for part in written.split(","))
    target = said.get("target") or said.get("dst") or said.get("destination") or ""
    source = said.get("source") or said.get("src") or ""
    if target.startswith("/"):
        yield mount(target, source if said.get("type") == "bind" else "")
