"""Paths in a container as paths outside it, by what the file mounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    """What is known of the files of a container: its mounts, and where its relative paths start, if that is said."""

    mounts: tuple[Mount, ...] = ()
    working_dir: str = ""

    def outside(self, path: str) -> str | None:
        """The path outside the container of a path in it; None where nothing known is mounted there."""
        whole = path if path.startswith("/") else f"{self.working_dir}/{path}"
        if not whole.startswith("/"):
            return None
        inside = normpath(whole)
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
        return ContainerFiles(tuple(ours), self.working_dir)


def _is_ours(source: str, roots: tuple[str, ...]) -> bool:
    path = normpath(source)
    return not path.startswith("/") or any(path == root or path.startswith(f"{root}/") for root in roots)
