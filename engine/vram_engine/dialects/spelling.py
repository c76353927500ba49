"""What a misspelt word was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The only choice that ``word`` begins, else the one it looks most like; None when none is near."""
    import difflib

    listed = list(choices)
    begun = [choice for choice in listed if word and choice.startswith(word)]
    if len(begun) == 1:
        return begun[0]
    close = difflib.get_close_matches(word, listed, n=1, cutoff=0.6)
    return close[0] if close else None
