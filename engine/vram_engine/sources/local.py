"""Models in local directories: config.json, its neighbours and the headers of the weights, never executed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from vram_engine.model.reference import CheckpointFacts, FoundModel, ModelRef, SourceName
from vram_engine.model.spec import Unavailable
from vram_engine.sources.checkpoint import (
    INDEX,
    LONGEST_INDEX,
    PREFIX_BYTES,
    Header,
    MalformedError,
    checkpoint_facts,
    header_length,
    weight_files,
)
from vram_engine.sources.gguf import described_gguf
from vram_engine.sources.model_files import (
    CONFIG,
    LONGEST_JSON,
    MODULES,
    QUANT_CONFIG,
    ModelFiles,
    found_model,
    json_object,
)
from vram_engine.sources.names import GGUF_READ, elsewhere, names_gguf, shown
from vram_engine.sources.quantize_files import quantize_files

_MOST_ENTRIES = 20_000


class LocalModels:
    """Model directories by path: absolute, relative to a file's folder, or to a folder above it."""

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable | None:
        """The model in the directory that ``ref`` names, None when it names no directory."""
        other = elsewhere(ref.name)
        if other is not None:
            return Unavailable(other)
        directory = located(ref.name, folders, CONFIG)
        if directory is not None:
            return read_directory(directory, "local")
        file = located(ref.name, folders) if ref.name.lower().endswith(".gguf") else None
        if file is not None:
            return described_gguf(file)
        if names_gguf(ref.name):
            return Unavailable(f"{shown(ref.name)} names a GGUF checkpoint, {GGUF_READ}")
        if looks_like_a_path(ref.name):
            return Unavailable(f"there is no directory {shown(ref.name)} here with a config.json")
        return None


def looks_like_a_path(name: str) -> bool:
    """Whether a model name can only be a path: ``org/name`` can also be a hub id, ``./x`` and ``/x`` cannot."""
    return name.startswith(("/", "./", "../", "~")) or "\\" in name or name.count("/") > 1


def located(name: str, folders: tuple[Path, ...], inside: str = "") -> Path | None:
    """The first path called ``name`` that is a file, or has the file ``inside``; relative ones start at ``folders``."""
    if not name or "\0" in name or len(name) > 1024:
        return None
    try:
        path = Path(name).expanduser()
        for candidate in (path,) if path.is_absolute() else tuple(folder / path for folder in folders):
            if (candidate / inside).is_file():
                return candidate
    except (OSError, RuntimeError, ValueError):
        return None
    return None


def read_directory(directory: Path, source: SourceName, commit: str | None = None) -> FoundModel | Unavailable:
    """The model whose files are in ``directory``; headers that cannot be read cost the exact bytes, not the model."""
    config = read_json(directory / CONFIG)
    if isinstance(config, Unavailable):
        return config
    quant_config = read_json(directory / QUANT_CONFIG) if (directory / QUANT_CONFIG).is_file() else None
    if isinstance(quant_config, Unavailable):
        return quant_config
    checkpoint, notes = _checkpoint(directory)
    files = ModelFiles(
        config,
        quant_config=quant_config,
        pooling=(directory / MODULES).is_file(),
        checkpoint=checkpoint,
        commit=commit,
        notes=notes,
        quantize_files=_quantize_files(directory),
    )
    return found_model(files, source)


def _quantize_files(directory: Path) -> dict[str, dict[str, object]]:
    """GPTQ's and AWQ's own files, as far as they can be read."""
    try:
        names = [entry.name for entry in islice(os.scandir(directory), _MOST_ENTRIES)]
    except OSError:
        return {}
    read = ((name, read_json(directory / name)) for name in quantize_files(names))
    return {name: value for name, value in read if not isinstance(value, Unavailable)}


def read_json(path: Path) -> dict[str, object] | Unavailable:
    """A JSON object from a regular file, or why there is none; size and depth are bounded."""
    try:
        if not path.is_file():
            return Unavailable(f"{path} is not a file")
        data = _start_of(path, LONGEST_JSON + 1)
    except OSError as error:
        return Unavailable(f"{path} cannot be read: {error.strerror}")
    return json_object(data, str(path))


def _start_of(path: Path, most: int) -> bytes:
    """A file's first bytes; Python would reserve ``most`` of them for a small file too."""
    with path.open("rb") as file:
        return file.read(min(os.fstat(file.fileno()).st_size + 1, most))


def _checkpoint(directory: Path) -> tuple[CheckpointFacts | None, tuple[str, ...]]:
    """What the safetensors files of a directory hold, and why nothing can be said where something is wrong."""
    try:
        names = [entry.name for entry in islice(os.scandir(directory), _MOST_ENTRIES) if entry.is_file()]
        index = _index(directory) if INDEX in names else None
        files = weight_files(names, index)
        facts = checkpoint_facts(_headers(directory, files))
    except MalformedError as error:
        return None, (str(error),)
    except OSError as error:
        return None, (f"the weights in {directory} cannot be read: {error.strerror}",)
    return (facts if files else None), ()


def _index(directory: Path) -> bytes:
    data = _start_of(directory / INDEX, LONGEST_INDEX + 1)
    if len(data) > LONGEST_INDEX:
        raise MalformedError(f"{INDEX} is longer than is read")
    return data


def _headers(directory: Path, files: tuple[str, ...]) -> Iterator[Header]:
    for name in files:
        with (directory / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = header_length(file.read(PREFIX_BYTES), shown(name), size)
            yield Header(shown(name), file.read(length), size - PREFIX_BYTES - length)
