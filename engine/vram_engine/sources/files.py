"""Small files that a text names, of the folders that it belongs to: settings, and what adapters are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vram_engine.adapters import CONFIG as ADAPTER
from vram_engine.lent import FileRef, LentFile, Unlent
from vram_engine.model.reference import ModelRef
from vram_engine.sources.cache import cache_directory, snapshot_directory, uses_modelscope
from vram_engine.sources.local import located
from vram_engine.sources.names import is_hub_id, shown

# Many times the longest that anybody writes; reading it must not be felt while somebody types.
LONGEST_FILE = 64 * 1024


def lend(ref: FileRef, folders: tuple[Path, ...]) -> LentFile | Unlent:
    """The file that ``ref`` names, relative to the nearest folder that has it; none outside of all ``folders``."""
    path = located(ref.path, folders)
    if path is None:
        cached = adapter_in_cache(ref, os.environ)
        return Unlent(f"and there is no file {shown(ref.path)} here") if cached is None else _read(cached)
    try:
        path = path.resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in folders):
            return Unlent("which is outside the folders of this workspace, and so is not read")
    except (OSError, RuntimeError, ValueError):
        return Unlent("which cannot be read")
    return _read(path)


def adapter_in_cache(ref: FileRef, environment: Mapping[str, str]) -> Path | None:
    """The description of an adapter that is named by its id, in the Hugging Face cache; no other file of the cache."""
    name, slash, file = ref.path.rpartition("/")
    if not slash or file != ADAPTER or not is_hub_id(name) or uses_modelscope(environment):
        return None
    snapshot = snapshot_directory(cache_directory(environment), ModelRef(name), ADAPTER)
    return None if snapshot is None else snapshot / ADAPTER


def _read(path: Path) -> LentFile | Unlent:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(LONGEST_FILE + 1) if size <= LONGEST_FILE else b""
        if size > LONGEST_FILE or len(data) > LONGEST_FILE:
            return Unlent("which is longer than is read")
        return LentFile(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError:
        return Unlent("which is not UTF-8 text")
    except (OSError, RuntimeError, ValueError):
        return Unlent("which cannot be read")
