"""A share of the memory as a bar of block characters, for hovers and terminals alike."""

from __future__ import annotations

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(part: int, whole: int, cells: int = 12) -> str:
    """``part`` of ``whole`` in ``cells`` characters, to an eighth of a cell; full when it is more."""
    if whole <= 0 or part <= 0:
        return ""
    eighths = min(round(part * cells * 8 / whole), cells * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")
