"""What a dialect is: a way to recognise one kind of YAML document, and to read the deployments in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vram_engine.deployment import Deployment
from vram_engine.syntax.nodes import Document, Tree


@dataclass(frozen=True, slots=True)
class Dialect:
    """``claims`` must be sure: a document of another kind gets nothing at all, ever.

    It and ``read`` are given the whole file and the number of the document, since one document may name another.

    ``suits`` is the weaker question, for a document already known to be ours (it carries a directive, or was
    recognised before the last keystroke): could it be this dialect, half typed?
    """

    name: str
    claims: Callable[[Tree, int], bool]
    suits: Callable[[Document], bool]
    read: Callable[[Tree, int], tuple[Deployment, ...]]
