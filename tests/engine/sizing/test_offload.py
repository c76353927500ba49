"""Weights in CPU memory: what the GPU is spared, and when that is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.sizing.test_weights_refusals import H100, MIXTURE, QWEN, spec_of
from vram_engine.facts.versions import Version
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.offload import CPU_OFFLOAD, offload_gib, unfollowed_offload
from vram_engine.sizing.weights import allocated_bytes, weights

NEWEST = Version(0, 32, 0)
CONFIG = QWEN | {"num_hidden_layers": 2, "tie_word_embeddings": False}
# A layer of 14 query and 2 KV heads of 64: qkv with its bias, output, gate and up, down, and two norms.
GATE_UP = 2 * 4864 * 896 * 2
LAYER = (896 + 2 * 128) * (896 + 1) * 2 + 896 * 896 * 2 + GATE_UP + 4864 * 896 * 2 + 2 * 896 * 2


def stage(gib: float, spec: ModelSpec | None = None) -> Term:
    """The only stage of a model with so much of it in CPU memory."""
    stages = weights(spec or spec_of(CONFIG), EngineArgs(cpu_offload_gb=gib), H100)
    assert isinstance(stages, tuple), stages
    return stages[0]


def test_whole_tensors_are_moved() -> None:
    """The GPU is spared what was asked for, and at most the largest tensor of a layer more."""
    asked = LAYER // 2 / GIB
    part = next(part for part in stage(asked).parts if part.name == CPU_OFFLOAD)
    assert part.bytes == -(LAYER // 2) == part.high
    assert part.low == -(LAYER // 2 + GATE_UP)
    assert stage(asked).bytes == stage(0).bytes - LAYER // 2


def test_no_more_than_the_layers_is_moved() -> None:
    """Embeddings and the output head stay on the GPU, however much is asked for."""
    everything = stage(100)
    assert everything.bytes == stage(0).bytes - 2 * LAYER == everything.low == everything.high
    assert allocated_bytes(everything) == allocated_bytes(stage(0))


@given(st.floats(0, 4), st.floats(0, 4))
def test_more_in_cpu_memory_never_needs_more(few: float, more: float) -> None:
    """The more stays in CPU memory, the less the GPU holds, and never less than nothing."""
    few, more = min(few, more), max(few, more)
    spec = spec_of(MIXTURE)
    assert stage(few, spec).bytes >= stage(more, spec).low > 0


def test_with_quantization_while_loading_it_is_not_known() -> None:
    """Weights that are replaced while loading come back to the GPU in a way that is not derived."""
    answer = weights(spec_of(CONFIG), EngineArgs(cpu_offload_gb=1, quantization="fp8"), H100)
    assert isinstance(answer, Unavailable)


def test_what_is_not_followed() -> None:
    """Early releases, stored quantizations and pooling models have a reason instead of a figure."""
    spec = spec_of(CONFIG)
    assert unfollowed_offload(4, NEWEST, spec) is None
    assert unfollowed_offload(4, Version(0, 10, 2), spec) is not None
    assert unfollowed_offload(0, Version(0, 10, 2), spec) is None
    pooling = spec_of(CONFIG | {"architectures": ["Qwen2ForRewardModel"]})
    assert unfollowed_offload(4, NEWEST, pooling) is not None


@pytest.mark.parametrize("value", [-1, 0, True, "4", float("nan"), float("inf"), 10**30, None])
def test_amounts_that_are_none(value: object) -> None:
    """Only a positive, finite and possible number is an amount of memory."""
    assert offload_gib(value) is None
