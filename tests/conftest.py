"""What all tests share: the sources a deployment is analysed with, and nothing from outside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vram_engine.analysis import Analysis, Context, analyse
from vram_engine.sources.catalogue import CatalogueModels
from vram_engine.sources.local import LocalModels
from vram_lsp.answers import find

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory):
    """A folder of the tests' own in place of the one where this user's answers are kept."""
    before = os.environ.get("XDG_DATA_HOME")
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data"))
    yield
    if before is None:
        del os.environ["XDG_DATA_HOME"]
    else:
        os.environ["XDG_DATA_HOME"] = before


@pytest.fixture
def analysed():
    """A function that analyses a text as the command line would, with models from the catalogue and a folder."""

    def analysed(text: str, folder: Path = ROOT, context: Context | None = None) -> Analysis:
        context = context or Context(folders=(folder.as_posix(),))
        analysis = analyse(text, context)
        while analysis.wants:
            sources = (LocalModels(), CatalogueModels())
            context = context.knowing({wanted: find(sources, wanted, (folder,)) for wanted in analysis.wants})
            analysis = analyse(text, context)
        return analysis

    return analysed
