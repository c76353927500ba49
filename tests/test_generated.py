"""Generated files say what their declarations say."""

from __future__ import annotations

from vram_lsp.generated import stale


def test_generated_files_are_current():
    """RULES.md and the tables of the README are as their writers make them; python -m vram_lsp.generated mends it."""
    assert stale() == []
