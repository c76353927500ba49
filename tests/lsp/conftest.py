"""What the tests of features share: a snapshot as the server would have it, without a server."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context, analyse
from vram_engine.sources.catalogue import CatalogueModels
from vram_engine.sources.local import LocalModels
from vram_lsp.answers import find
from vram_lsp.session import Snapshot

URI = "file:///srv/serve.yaml"


@pytest.fixture
def snapshot():
    """A function that makes a snapshot of a text, with models from the catalogue and the given folders."""

    def snapshot(text, *, encoding="utf-16", folders=(), version=1):
        sources = (LocalModels(), CatalogueModels())
        known = {wanted: find(sources, wanted, folders) for wanted in analyse(text).wants}
        return Snapshot(URI, version, text, encoding, Context().knowing(known), folders)

    return snapshot
