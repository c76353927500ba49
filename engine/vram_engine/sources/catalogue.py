"""The catalogue of models that ships with the engine: the last resort, and marked as such."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from vram_engine.facts.catalogue import CatalogueModel, catalogue_model, suggest_models
from vram_engine.model import from_config
from vram_engine.model.reference import FoundModel, ModelRef, Unanswered
from vram_engine.model.spec import ModelSpec, Unavailable


class CatalogueModels:
    """Models by their hub id."""

    def find(self, ref: ModelRef, folders: tuple[Path, ...]) -> FoundModel | Unavailable | Unanswered | None:  # noqa: ARG002  # a catalogue has no folders
        """The catalogue's row, or None when it has none of that id and none like it."""
        row = catalogue_model(ref.name)
        if row is None:
            close = suggest_models(ref.name)
            return Unanswered(f"did you mean {close[0]}?") if close else None
        spec = _spec_of(row)
        return spec if isinstance(spec, Unavailable) else FoundModel(spec, "catalogue")


@lru_cache(maxsize=64)
def _spec_of(row: CatalogueModel) -> ModelSpec | Unavailable:
    """A row's model, read once: the catalogue does not change, and a repository names few models many times."""
    return from_config(row.config, quant_config=row.quant_config, pooling=row.pooling)
