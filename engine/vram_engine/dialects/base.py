"""What a dialect is: a way to recognise one kind of YAML document, and to read the deployments in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vram_engine.deployment import Deployment
from vram_engine.syntax.nodes import Document


@dataclass(frozen=True, slots=True)
class Dialect:
    """``claims`` must be sure: a document of another kind gets nothing at all, ever.

    ``suits`` is the weaker question, for a document already known to be ours (it carries a directive, or was
    recognised before the last keystroke): could it be this dialect, half typed?
    """

    name: str
    claims: Callable[[Document], bool]
    suits: Callable[[Document], bool]
    read: Callable[[Document, int], tuple[Deployment, ...]]
