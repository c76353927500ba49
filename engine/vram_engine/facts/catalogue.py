"""Models people serve, for when neither a file nor the hub can say what a model is."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from vram_engine.facts.tables import table

_LONGEST_ID = 120


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One row of the catalogue.

    ``parameters`` counts the checkpoint's weights before quantization, without multi-token-prediction layers.
    ``also`` are repositories of the same shape. ``pooling`` is whether a modules.json makes it an embedding model.
    """

    id: str
    parameters: int
    source: str
    checked: datetime.date
    config_text: str
    quant_config_text: str | None = None
    pooling: bool = False
    also: tuple[str, ...] = ()

    @property
    def config(self) -> Mapping[str, object]:
        """The keys of its config.json that decide weights and KV cache, in Hugging Face's layout."""
        config: Mapping[str, object] = json.loads(self.config_text)
        return config

    @property
    def quant_config(self) -> Mapping[str, object] | None:
        """The content of its hf_quant_config.json, where quantization is kept there and not in the config."""
        return None if self.quant_config_text is None else json.loads(self.quant_config_text)


@cache
def catalogue() -> Mapping[str, CatalogueModel]:
    """Every row by its id. Unknown keys in the data are errors (``TypeError``)."""
    return MappingProxyType({model_id: _model(model_id, **row) for model_id, row in table("models").items()})


def catalogue_model(model_id: str) -> CatalogueModel | None:
    """The model of that repository, its case aside; ``None`` for one the catalogue does not have."""
    return _by_any_id().get(model_id.casefold())


def suggest_models(text: str, most: int = 3) -> tuple[str, ...]:
    """Ids closest to ``text``, best first: near misses of a whole id, or of its part after the slash."""
    import difflib

    wanted = text.casefold()[:_LONGEST_ID]
    ids = {key: model.id for key, model in _by_any_id().items()}
    cutoff = 0.8
    if "/" not in wanted:
        ids = {key.partition("/")[2]: model_id for key, model_id in reversed(ids.items())}
        cutoff = 0.7
    return tuple(ids[near] for near in difflib.get_close_matches(wanted, ids, n=most, cutoff=cutoff))


def _model(
    model_id: str, *, config: str, quant_config: str | None = None, also: tuple[str, ...] = (), **row: Any
) -> CatalogueModel:
    return CatalogueModel(model_id, config_text=config, quant_config_text=quant_config, also=tuple(also), **row)


@cache
def _by_any_id() -> Mapping[str, CatalogueModel]:
    models: dict[str, CatalogueModel] = {}
    for model in catalogue().values():
        models[model.id.casefold()] = model
        for other in model.also:
            models[other.casefold()] = replace(model, id=other, also=())
    return MappingProxyType(models)
