"""Models in local directories: config.json and its neighbours, read as data and never executed."""

from __future__ import annotations

import json
from pathlib import Path

from vram_engine.model import from_config
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable

# The largest real config.json is a few hundred KiB (long ignore lists); a file past this is not one.
_LARGEST_FILE = 8 * 2**20


class LocalModels:
    """Model directories by path: absolute, relative to a file's folder, or to a folder above it."""

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable | None:
        """The model in the directory that ``ref`` names, None when it names no directory."""
        directory = model_directory(ref.name, folders)
        if directory is not None:
            return read_directory(directory)
        if looks_like_a_path(ref.name):
            return Unavailable(f"there is no directory {ref.name} here with a config.json")
        return None


def looks_like_a_path(name: str) -> bool:
    """Whether a model name can only be a path: ``org/name`` can also be a hub id, ``./x`` and ``/x`` cannot."""
    return name.startswith(("/", "./", "../", "~")) or "\\" in name or name.count("/") > 1


def model_directory(name: str, folders: tuple[Path, ...]) -> Path | None:
    """The first directory called ``name`` with a config.json; relative names start at each of ``folders`` in turn."""
    if not name or "\0" in name or len(name) > 1024:
        return None
    try:
        path = Path(name).expanduser()
        for candidate in (path,) if path.is_absolute() else tuple(folder / path for folder in folders):
            if (candidate / "config.json").is_file():
                return candidate
    except (OSError, RuntimeError, ValueError):
        return None
    return None


def read_directory(directory: Path) -> FoundModel | Unavailable:
    """The model whose files are in ``directory``."""
    config = read_json(directory / "config.json")
    if isinstance(config, Unavailable):
        return config
    quant_config = read_json(directory / "hf_quant_config.json")
    spec = from_config(
        config,
        quant_config=None if isinstance(quant_config, Unavailable) else quant_config,
        pooling=(directory / "modules.json").is_file(),
    )
    return spec if isinstance(spec, Unavailable) else FoundModel(spec, "local")


def read_json(path: Path) -> dict[str, object] | Unavailable:
    """A JSON object from a file, or why there is none; size and depth are bounded."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return Unavailable(f"{path} is too large to be a model's {path.name}")
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return Unavailable(f"{path} cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        return Unavailable(f"{path} is not valid JSON")
    return value if isinstance(value, dict) else Unavailable(f"{path} is not a JSON object")
