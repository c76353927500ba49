"""What the hub said before: a folder of small files that all processes share, and a memory of refusals.

A file that cannot be read as it was written is as good as none, and is written again. Nothing here opens a socket.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from vram_engine.model.reference import CheckpointFacts, ModelRef, StoredTensors
from vram_engine.sources.model_files import ModelFiles, json_object

# Raised whenever the meaning of a file changes; files of other versions are ignored.
_VERSION = 2
_LARGEST_FILE = 4 * 2**20
_MOST_FILES = 500
_ABANDONED_AFTER_S = 3600.0
_LATEST = 2.0**33

# What a repository was looked up as: one repository may hold a model and an adapter.
Kind: TypeAlias = Literal["model", "adapter"]


@dataclass(frozen=True, slots=True)
class Stored:
    """The files of a model or an adapter as they were at ``fetched`` (Unix seconds)."""

    files: ModelFiles
    fetched: float


class ModelCache:
    """One file per endpoint, kind, repository and revision.

    Disks that are full or read-only cost the memory, nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, endpoint: str, ref: ModelRef, kind: Kind = "model") -> Stored | None:
        """What was stored for a repository, None where nothing was or it is damaged."""
        try:
            with self._path(_key(endpoint, ref, kind)).open("rb") as file:
                data = file.read(_LARGEST_FILE + 1)
        except OSError:
            return None
        value = json_object(data, "") if len(data) <= _LARGEST_FILE else None
        if not isinstance(value, dict) or value.get("key") != _key(endpoint, ref, kind):
            return None
        return _stored(value)

    def write(self, endpoint: str, ref: ModelRef, stored: Stored, kind: Kind = "model") -> None:
        """Store a model or an adapter; another process sees the old file or the new one, never a part."""
        key = _key(endpoint, ref, kind)
        data = json.dumps({"key": key, **_plain(stored)}).encode()
        if len(data) > _LARGEST_FILE:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._replace(self._path(key), data)
            self._prune()
        except OSError:
            return

    def clear(self) -> None:
        """Delete everything stored."""
        for path in self._folder.glob("*.json"):
            path.unlink(missing_ok=True)

    def _path(self, key: list[Any]) -> Path:
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        return self._folder / f"{name[:40]}.json"

    def _replace(self, path: Path, data: bytes) -> None:
        handle, written = tempfile.mkstemp(suffix=".part", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(written, path)
        except OSError:
            Path(written).unlink(missing_ok=True)
            raise

    def _prune(self) -> None:
        """Keep the newest files, and none that a process left half written."""
        by_age = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        abandoned = (
            path for path in self._folder.glob("*.part") if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S
        )
        for path in (*by_age[_MOST_FILES:], *abandoned):
            path.unlink(missing_ok=True)


def default_folder() -> Path:
    """Where this user's cache of models is."""
    from platformdirs import user_cache_path

    return user_cache_path("vram-lsp", appauthor=False) / "models"


def _key(endpoint: str, ref: ModelRef, kind: Kind) -> list[Any]:
    return [_VERSION, endpoint, kind, ref.name, ref.revision]


def _plain(stored: Stored) -> dict[str, Any]:
    files, checkpoint = stored.files, stored.files.checkpoint
    return {
        "fetched": stored.fetched,
        "config": files.config,
        "quant_config": files.quant_config,
        "quantize_files": dict(files.quantize_files),
        "pooling": files.pooling,
        "commit": files.commit,
        "notes": files.notes,
        "checkpoint": None
        if checkpoint is None
        else {
            "format": checkpoint.format,
            "files": checkpoint.files,
            "tensors": [[each.name, each.dtype, each.shape, each.count, each.bytes] for each in checkpoint.tensors],
        },
    }


def _stored(value: Mapping[str, Any]) -> Stored | None:
    """A file's content, checked: it may have been written by anything."""
    try:
        config, quant_config, notes = value["config"], value["quant_config"], value["notes"]
        if not isinstance(config, dict) or not isinstance(quant_config, dict | None) or not _are(str, notes):
            return None
        quantized = value["quantize_files"]
        if not isinstance(quantized, dict) or not _are(dict, list(quantized.values())):
            return None
        commit = None if value["commit"] is None else str(value["commit"])
        checkpoint = _checkpoint(value["checkpoint"])
        files = ModelFiles(config, quant_config, value["pooling"] is True, checkpoint, commit, tuple(notes), quantized)
        fetched = float(value["fetched"])
        return Stored(files, fetched) if 0 <= fetched < _LATEST else None
    except (KeyError, TypeError, ValueError):
        return None


def _checkpoint(value: Any) -> CheckpointFacts | None:
    """The stored tensors; raises ValueError, TypeError or KeyError where they are none."""
    if value is None:
        return None
    if value["format"] not in ("safetensors", "gguf"):
        raise ValueError(value["format"])
    return CheckpointFacts(value["format"], tuple(map(_tensors, value["tensors"])), _size(value["files"]))


def _tensors(row: Any) -> StoredTensors:
    name, dtype, shape, count, size = row
    return StoredTensors(str(name), str(dtype), tuple(map(_size, shape)), _size(count), _size(size))


def _size(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _are(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
