"""The vLLM in a Python environment, by the name of its metadata folder: nothing is imported, started or even read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from vram_engine.deployment import Known, Setting
from vram_engine.facts.versions import Version, parse_version

_MOST_ENTRIES = 20_000
# The packages of one environment: where POSIX and Windows keep them.
_PACKAGES = ("lib/python3.*/site-packages", "lib64/python3.*/site-packages", "Lib/site-packages")
# A wheel's metadata folder is called by name and version (PyPA's "Recording installed projects").
_METADATA = re.compile(r"vllm-(?P<version>[0-9][^-/]{0,100})\.dist-info", re.ASCII | re.IGNORECASE)
_USUAL = (".venv", "venv")


def vllm_at_hand(
    named: str, folders: Iterable[Path], environment: Mapping[str, str] = os.environ
) -> tuple[Setting, ...]:
    """The release of the first environment with a vLLM, as the weakest word on the version; nothing where none has.

    ``named`` is the user's own choice, and then the only one: an environment's folder or the interpreter in it. Else
    come ``VIRTUAL_ENV`` and the usual places in ``folders``.
    """
    for place, folder in _places(named, folders, environment):
        version = vllm_in(folder)
        if version is not None:
            return (Setting("vllm-version", Known(str(version)), "detected", place),)
    return ()


def _places(named: str, folders: Iterable[Path], environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Environments, and what each is called in a sentence."""
    if named:
        yield "vramLsp.python", Path(named)
        return
    if environment.get("VIRTUAL_ENV"):
        yield "VIRTUAL_ENV", Path(environment["VIRTUAL_ENV"])
    for folder in folders:
        for name in _USUAL:
            yield name, folder / name


def vllm_in(environment: Path) -> Version | None:
    """The release of vLLM in an environment, given as its folder or its interpreter; None for none, or for several."""
    try:
        place = environment.expanduser()
        root = place.parent.parent if place.is_file() else place
        found = {
            version for pattern in _PACKAGES for folder in islice(root.glob(pattern), 8) for version in _in(folder)
        }
    except (OSError, RuntimeError, ValueError):
        return None
    return found.pop() if len(found) == 1 else None


def _in(packages: Path) -> Iterator[Version]:
    with os.scandir(packages) as entries:
        names = [match for entry in islice(entries, _MOST_ENTRIES) if (match := _METADATA.fullmatch(entry.name))]
    for name in names:
        version = parse_version(name["version"])
        if version is not None:
            yield version
