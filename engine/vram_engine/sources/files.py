"""Small files that a text names, of the folders that it belongs to: settings, and what adapters are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vram_engine.adapters import CONFIG as ADAPTER
from vram_engine.lent import FileRef, LentFile, Unlent
from vram_engine.model.reference import ModelRef
from vram_engine.ports import AdapterSource
from vram_engine.sources.cache import cache_directory, snapshot_directory, uses_modelscope
from vram_engine.sources.local import located
from vram_engine.sources.names import is_hub_id, shown

# Many times the longest that anybody writes; reading it must not be felt while somebody types.
LONGEST_FILE = 64 * 1024


def lend(ref: FileRef, folders: tuple[Path, ...], others: tuple[AdapterSource, ...] = ()) -> LentFile | Unlent:
    """The file that ``ref`` names, relative to the nearest folder that has it; none outside of all ``folders``.

    The description of an adapter that is in no folder is looked for where vLLM would, then ``others`` are asked.
    """
    path = located(ref.path, folders)
    if path is None:
        repository = adapter_repository(ref)
        told = None if repository is None else _adapter(repository, others, os.environ)
        return told or Unlent(f"and there is no file {shown(ref.path)} here")
    try:
        path = path.resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in folders):
            return Unlent("which is outside the folders of this workspace, and so is not read")
    except (OSError, RuntimeError, ValueError):
        return Unlent("which cannot be read")
    return _read(path)


def adapter_repository(ref: FileRef) -> ModelRef | None:
    """The repository of an adapter that is named by its id; no other file is taken from one."""
    name, _, file = ref.path.rpartition("/")
    return ModelRef(name) if file == ADAPTER and is_hub_id(name) else None


def _adapter(
    ref: ModelRef, others: tuple[AdapterSource, ...], environment: Mapping[str, str]
) -> LentFile | Unlent | None:
    """An adapter's description from the Hugging Face cache, else from the first other source that knows of it."""
    if uses_modelscope(environment):
        return None
    snapshot = snapshot_directory(cache_directory(environment), ref, ADAPTER)
    if snapshot is not None:
        return _read(snapshot / ADAPTER)
    answers = (other.adapter(ref) for other in others)
    return next((answer for answer in answers if answer is not None), None)


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
