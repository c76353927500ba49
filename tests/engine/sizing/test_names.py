"""Which modules of an AutoRound checkpoint are quantized, by vLLM's rules for names (quantization/inc.py)."""

from __future__ import annotations

import pytest

from vram_engine.model.config import Config
from vram_engine.model.spec import CheckpointQuantization, Unavailable
from vram_engine.model.stored import read_autoround
from vram_engine.sizing.names import names_of

FOUR_BITS = {"quant_method": "auto-round", "bits": 4, "group_size": 128}
RENAMES = (("model.language_model.", "language_model.model."),)


def bits_of(section: dict, name: str) -> int | None:
    """The bits of a linear of that name; ``None`` is full precision."""
    stored = read_autoround(Config(FOUR_BITS | section))
    assert isinstance(stored, CheckpointQuantization), stored
    found = names_of(stored, RENAMES).linear(name, ())
    return getattr(found, "bits", None)


@pytest.mark.parametrize(
    ("section", "name", "bits"),
    [
        ({}, "mtp.layers.0.mlp.down_proj", 4),
        ({"block_name_to_quantize": "model.language_model.layers"}, "mtp.layers.0.mlp.down_proj", None),
        ({"block_name_to_quantize": "model.language_model.layers"}, "language_model.model.layers.3.mlp.down_proj", 4),
        ({"to_quant_block_names": ["mtp.layers", "model.layers"]}, "mtp.layers.0.mlp.down_proj", 4),
        ({"block_name_to_quantize": "model.layers", "extra_config": {"mtp.fc": {"bits": 8}}}, "mtp.fc", 8),
        ({"extra_config": {"mtp.fc": {"bits": 16}}}, "mtp.fc", None),
        ({"extra_config": {r".*mtp\..*": {"bits": 16}}}, "mtp.layers.0.mlp.down_proj", None),
        ({"extra_config": {r".*mtp\..*": {"bits": 16}}}, "model.layers.0.mlp.down_proj", 4),
    ],
)
def test_what_autoround_quantized(section: dict, name: str, bits: int | None) -> None:
    """Blocks it was given, or all; a name of its own goes first, then an expression."""
    assert bits_of(section, name) == bits


@pytest.mark.parametrize("blocks", [[["model.layers.0"]], [7]])
def test_blocks_that_are_no_names(blocks: object) -> None:
    """Nested lists are not guessed at."""
    assert isinstance(read_autoround(Config(FOUR_BITS | {"block_name_to_quantize": blocks})), Unavailable)
