"""The dialects: which YAML documents launch vLLM, and what they say."""

from __future__ import annotations

from vram_engine.dialects.base import Dialect
from vram_engine.dialects.profile import PROFILE
from vram_engine.dialects.serve_config import SERVE_CONFIG
from vram_engine.syntax.nodes import Document

DIALECTS: tuple[Dialect, ...] = (PROFILE, SERVE_CONFIG)


def recognise(document: Document, *, known_as: str | None, ours: bool) -> Dialect | None:
    """The dialect of a document.

    ``known_as`` is what it was before the last edit, and ``ours`` says that it carries a directive: both make a
    half-typed document keep its dialect where it could still be one.
    """
    for dialect in DIALECTS:
        if dialect.claims(document):
            return dialect
    if known_as is not None or ours:
        candidates = sorted(DIALECTS, key=lambda dialect: dialect.name != known_as)
        return next((dialect for dialect in candidates if dialect.suits(document)), None)
    return None
