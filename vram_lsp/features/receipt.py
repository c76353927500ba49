"""vramLsp.receipt: a log of vLLM, by its path or its text, as the document of ``receipt --json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pygls.exceptions import JsonRpcInvalidParams

from vram_engine.ports import ModelSource
from vram_lsp.cli import UsageError
from vram_lsp.overrides import OverrideError, read_overrides, settings_of

RECEIPT = "vramLsp.receipt"


def receipt(arguments: tuple[Any, ...], folders: tuple[Path, ...], sources: tuple[ModelSource, ...]) -> dict[str, Any]:
    """The receipt of a log; a relative path starts at the first workspace folder. Raises JsonRpcInvalidParams."""
    from vram_lsp import receipts
    from vram_lsp.report.receipt import receipt_document

    said = arguments[0] if arguments else None
    if not isinstance(said, Mapping):
        raise JsonRpcInvalidParams("the first argument must be an object with a path or a text")
    try:
        overrides = settings_of(read_overrides(said.get("overrides")))
        text, name = _log(said, folders)
        return receipt_document(receipts.receipt(text, overrides, sources), name, None)
    except (UsageError, OverrideError) as error:
        raise JsonRpcInvalidParams(str(error)) from error


def _log(said: Mapping[Any, Any], folders: tuple[Path, ...]) -> tuple[str, str]:
    from vram_lsp.receipts import read_text

    text, path = said.get("text"), said.get("path")
    if isinstance(text, str):
        return text, "text"
    if not isinstance(path, str) or not path or "\0" in path:
        raise JsonRpcInvalidParams("the first argument must be an object with a path or a text")
    file = (folders[0] if folders else Path.cwd()) / path
    # A pipe or a device would keep whoever reads it waiting, and this process' input is the protocol itself.
    if not file.is_file():
        raise JsonRpcInvalidParams(f"{path} is not a file")
    return read_text(str(file.absolute())), path
