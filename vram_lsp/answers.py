"""One look-up of a model or a file, and which source answers it; ``lookups`` does so in threads and remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vram_engine.analysis import Answer, Wanted
from vram_engine.lent import FileRef
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Unavailable
from vram_engine.ports import AdapterSource, ModelSource
from vram_engine.sources.files import lend


def find(sources: tuple[ModelSource, ...], wanted: Wanted, folders: tuple[Path, ...]) -> Answer:
    """The model from ``sources``, or the file from ``folders``; an adapter's description from either."""
    if isinstance(wanted, FileRef):
        return lend(wanted, folders, tuple(each for each in sources if isinstance(each, AdapterSource)))
    return find_model(sources, wanted, folders)


def find_model(sources: tuple[ModelSource, ...], ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable:
    """The first source that knows the model decides; what kept others from answering is said."""
    reasons: list[str] = []
    for source in sources:
        found = source.find(ref, folders)
        if isinstance(found, FoundModel):
            return replace(found, notes=(*found.notes, *reasons))
        if isinstance(found, Unavailable):
            return found
        if found is not None and found.reason not in reasons:
            reasons.append(found.reason)
    tail = f"; {'; '.join(reasons)}" if reasons else " (vram-lsp models lists it)"
    return Unavailable(f"{ref.name} is not a directory here and not in the catalogue{tail}")
