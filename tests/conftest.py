"""What all tests share: the sources a deployment is analysed with, and nothing from outside the repository."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vram_engine.analysis import Analysis, Context, analyse
from vram_engine.sources.catalogue import CatalogueModels
from vram_engine.sources.local import LocalModels
from vram_lsp.lookups import find_model

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def analysed():
    """A function that analyses a text as the command line would, with models from the catalogue and a folder."""

    def analysed(text: str, folder: Path = ROOT, context: Context | None = None) -> Analysis:
        context = context or Context()
        analysis = analyse(text, context)
        while analysis.wants:
            found = {ref: find_model((LocalModels(), CatalogueModels()), ref, (folder,)) for ref in analysis.wants}
            context = replace(context, models={**context.models, **found})
            analysis = analyse(text, context)
        return analysis

    return analysed
