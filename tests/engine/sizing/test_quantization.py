"""Bytes of quantized matrices as vLLM keeps them, by hand."""

from __future__ import annotations

import pytest

from vram_engine.model.stored import FP8_BLOCK
from vram_engine.sizing.quantization import Block8, LocalLinear, Stored
from vram_engine.sizing.schemes import scheme_of

MATRIX = LocalLinear(rows=(512,), cols=256, whole_cols=256, whole_rows=512, bias=False, element=2)


@pytest.mark.parametrize(
    ("capability", "resident"),
    [
        ((8, 9), 512 * 256 + 4 * 2 * 4),
        ((8, 6), 512 * 256 + 512 * 2 * 2),
    ],
)
def test_marlin_repeats_the_scale_of_a_block_for_each_row(capability: tuple[int, int], resident: int) -> None:
    """Below Ada a 16-bit scale per row and 128 columns stays, above a float32 one per block of 128 x 128."""
    scheme = scheme_of(FP8_BLOCK, capability)
    assert isinstance(scheme, Block8)
    assert scheme.linear(MATRIX) == Stored(512 * 256 + 4 * 2 * 4, resident)
