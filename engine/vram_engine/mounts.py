"""Paths in a container as paths outside it, by what the file mounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from posixpath import normpath


@dataclass(frozen=True, slots=True)
class Mount:
    """``source``, a path outside the container, is at ``target`` in it.

    ``source`` is absolute, or starts with a dot and is relative to the file that says so; it is empty where what is
    mounted cannot be told, or is no file of anybody's.
    """

    target: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class ContainerFiles:
    """What is known of the files of a container: its mounts, and where its relative paths start, if that is said.

    ``texts`` are files whose text stands in the file itself, by their paths in the container.
    """

    mounts: tuple[Mount, ...] = ()
    working_dir: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)

    def text_at(self, path: str) -> str | None:
        """The text of a file in the container, where the file under analysis holds it."""
        inside = self._absolute(path)
        return self.texts.get(inside) if inside is not None else None

    def outside(self, path: str) -> str | None:
        """The path outside the container of a path in it; None where nothing known is mounted there."""
        inside = self._absolute(path)
        if inside is None:
            return None
        # The deepest mount covers the others.
        for mount in sorted(self.mounts, key=lambda mount: len(mount.target), reverse=True):
            target = normpath(mount.target).rstrip("/")
            if inside == target or inside.startswith(f"{target}/"):
                rest = inside[len(target) :]
                return f"{mount.source.rstrip('/')}{rest}" if mount.source else None
        return None

    def within(self, folders: Iterable[str]) -> ContainerFiles:
        """Without what comes from absolute paths in none of ``folders``, which may be those of another machine."""
        roots = tuple(folder.rstrip("/") for folder in folders)
        ours = (each if _is_ours(each.source, roots) else Mount(each.target) for each in self.mounts)
        return replace(self, mounts=tuple(ours))

    def _absolute(self, path: str) -> str | None:
        whole = path if path.startswith("/") else f"{self.working_dir}/{path}"
        return normpath(whole) if whole.startswith("/") else None


def _is_ours(source: str, roots: tuple[str, ...]) -> bool:
    path = normpath(source)
    return not path.startswith("/") or any(path == root or path.startswith(f"{root}/") for root in roots)
