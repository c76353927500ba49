"""The dialects: which YAML documents launch vLLM, and what they say."""

from __future__ import annotations

from vram_engine.dialects.base import Dialect
from vram_engine.dialects.compose import COMPOSE
from vram_engine.dialects.kubernetes import KUBERNETES
from vram_engine.dialects.launch import may_launch
from vram_engine.dialects.profile import PROFILE
from vram_engine.dialects.serve_config import SERVE_CONFIG
from vram_engine.syntax.nodes import Tree

# Told by their keys alone: cheap, and asked of every document.
FLAT: tuple[Dialect, ...] = (PROFILE, SERVE_CONFIG)
DIALECTS: tuple[Dialect, ...] = (COMPOSE, KUBERNETES, *FLAT)


def recognise(tree: Tree, number: int, *, known_as: str | None, ours: bool) -> Dialect | None:
    """The dialect of document ``number``.

    ``known_as`` is what it was before the last edit, and ``ours`` says that it carries a directive: both make a
    half-typed document keep its dialect where it could still be one.
    """
    document = tree.documents[number]
    candidates = DIALECTS if may_launch(tree.text, document.span) else FLAT
    for dialect in candidates:
        if dialect.claims(tree, number):
            return dialect
    if known_as is not None or ours:
        nearest = sorted(DIALECTS, key=lambda dialect: dialect.name != known_as)
        return next((dialect for dialect in nearest if dialect.suits(document)), None)
    return None
