"""What an option takes, while its value is being written in a command or a list of arguments."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.analysis import Analysis
from vram_engine.facts.flags import Flag, resolve_flag
from vram_engine.view.completion_docs import key_documentation
from vram_engine.view.cursor import AtOptionValue, cursor_at
from vram_engine.view.launched import launched_at


@dataclass(frozen=True, slots=True)
class Signature:
    """An option with the kind of its value: ``--max-model-len INT``; ``start`` is where the value begins in it."""

    label: str
    start: int
    markdown: str


def signature(analysis: Analysis, offset: int) -> Signature | None:
    """The option whose value is at ``offset``; None elsewhere, and for switches, which take none."""
    cursor = cursor_at(analysis, offset)
    if not isinstance(cursor, AtOptionValue) or launched_at(analysis, cursor.document, cursor.near) is None:
        return None
    flag = resolve_flag(cursor.option.replace("_", "-"))
    if not isinstance(flag, Flag) or flag.type == "bool":
        return None
    lead = f"--{flag.name} "
    takes = "|".join(flag.choices) or flag.type.upper()
    return Signature(lead + takes, len(lead), key_documentation(flag.name))
