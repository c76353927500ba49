"""Files that a text names, for settings in them: small ones, and only of the folders that the text belongs to."""

from __future__ import annotations

import os
from pathlib import Path

from vram_engine.lent import FileRef, LentFile, Unlent
from vram_engine.sources.local import located
from vram_engine.sources.names import shown

# Many times the longest that anybody writes; reading it must not be felt while somebody types.
LONGEST_FILE = 64 * 1024


def lend(ref: FileRef, folders: tuple[Path, ...]) -> LentFile | Unlent:
    """The file that ``ref`` names, relative to the nearest folder that has it; none outside of all ``folders``."""
    path = located(ref.path, folders)
    if path is None:
        return Unlent(f"and there is no file {shown(ref.path)} here")
    try:
        path = path.resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in folders):
            return Unlent("which is outside the folders of this workspace, and so is not read")
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
