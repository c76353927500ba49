"""vramLsp.receipt: a log of vLLM, by its path or its text, as the document of ``receipt --json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pygls.exceptions import JsonRpcInvalidParams

from vram_engine.ports import ModelSource
from vram_lsp.cli import UsageError
from vram_lsp.overrides import OverrideError, read_overrides, settings_of
from vram_lsp.session import path_of

RECEIPT = "vramLsp.receipt"


def receipt(arguments: tuple[Any, ...], folders: tuple[Path, ...], sources: tuple[ModelSource, ...]) -> dict[str, Any]:
    """The receipt of a log; a relative path starts at the first workspace folder. Raises JsonRpcInvalidParams."""
    from vram_lsp import receipts
    from vram_lsp.report.receipt import receipt_document, receipt_text

    said, overridden, *_ = (*arguments, None, None)
    try:
        overrides = settings_of(read_overrides(overridden))
        text, name = _log(said, folders)
        given = receipts.receipt(text, overrides, sources)
        return {**receipt_document(given, name, None), "text": receipt_text(given, name)}
    except (UsageError, OverrideError) as error:
        raise JsonRpcInvalidParams(str(error)) from error


def _log(said: Any, folders: tuple[Path, ...]) -> tuple[str, str]:
    from vram_lsp.receipts import read_text

    if isinstance(said, Mapping) and isinstance(said.get("text"), str):
        return said["text"], "text"
    if not isinstance(said, str) or not said or "\0" in said:
        raise JsonRpcInvalidParams("the first argument must be the URI or path of a log, or an object with its text")
    path = str(path_of(said) or said)
    file = (folders[0] if folders else Path.cwd()) / path
    # A pipe or a device would keep whoever reads it waiting, and this process' input is the protocol itself.
    if not file.is_file():
        raise JsonRpcInvalidParams(f"{path} is not a file")
    return read_text(str(file.absolute())), path
