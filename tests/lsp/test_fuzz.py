"""A short run of the fuzz in every encoding; ``python -m tests.lsp.fuzz --steps 5000`` is the long one."""

from __future__ import annotations

import pytest

from tests.lsp.fuzz import ENCODINGS, fuzz


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_typing_never_leaves_a_stale_answer(encoding):
    """Diagnostics and answers after every step are those of a fresh analysis, and nothing is logged as an error."""
    assert fuzz(encoding, 120, seed=7) == 121
