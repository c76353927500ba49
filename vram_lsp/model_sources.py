"""Who is asked for a model, in which order, by what the user allows of the network."""

from __future__ import annotations

from pathlib import Path

from vram_engine.model.reference import ModelRef, Unanswered
from vram_engine.ports import ModelSource
from vram_engine.sources.cache import HuggingFaceCache
from vram_engine.sources.catalogue import CatalogueModels
from vram_engine.sources.hub import HuggingFaceHub
from vram_engine.sources.local import LocalModels
from vram_engine.sources.names import is_hub_id
from vram_lsp import __version__
from vram_lsp.config import HubMode
from vram_lsp.model_cache import ModelCache, default_folder
from vram_lsp.remembered_hub import RememberedHub


class NotAsked:
    """Stands where the hub would be, and says how to allow it."""

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> Unanswered | None:  # noqa: ARG002  # nor has it folders
        """A hint for names that a hub could know."""
        if not is_hub_id(ref.name):
            return None
        return Unanswered("the hub was not asked (--online, or vramLsp.hub in an editor, allows it)")


def model_sources(mode: HubMode) -> tuple[ModelSource, ...]:
    """The sources, nearest first; the catalogue speaks where nobody else does."""
    files: tuple[ModelSource, ...] = (LocalModels(), HuggingFaceCache())
    if mode == "off":
        return (*files, CatalogueModels(), NotAsked())
    cache = ModelCache(default_folder())
    if mode == "cache":
        return (*files, RememberedHub(None, cache), CatalogueModels(), NotAsked())
    hub = HuggingFaceHub(f"vram-lsp/{__version__}")
    return (*files, RememberedHub(hub, cache), CatalogueModels())
