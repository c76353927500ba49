"""What the tests of views share: a text with a bar where the cursor is, analysed."""

from __future__ import annotations

import pytest

from vram_engine.analysis import Context
from vram_engine.view.completion import completions


@pytest.fixture
def completed_at(analysed):
    """A function that gives the completions between two halves of a text."""

    def completed_at(before: str, after: str, known_as: str | None = None):
        context = Context(dialects=(known_as,) if known_as is not None else ())
        return completions(analysed(before + after, context=context), len(before))

    return completed_at


@pytest.fixture
def completed(completed_at):
    """A function that gives the completions at the bar in a text, and the text without it."""

    def completed(marked: str, known_as: str | None = None):
        before, _, after = marked.partition("|")
        return completed_at(before, after, known_as), before + after

    return completed


@pytest.fixture
def labels(completed):
    """A function that gives only the labels, in order."""

    def labels(marked: str, known_as: str | None = None):
        return [each.label for each in completed(marked, known_as)[0]]

    return labels
