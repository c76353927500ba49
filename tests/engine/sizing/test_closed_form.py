"""The rule of thumb, held to its published examples and to arithmetic done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vram_engine.sizing.closed_form import RoughInput, Shapes, closed_form

GIB = 2**30
LLAMA_2_7B = RoughInput(
    parameters=7_000_000_000,
    shapes=Shapes(layers=32, kv_heads=32, head_dim=128),
    gpu_bytes=24 * GIB,
    context=4096,
    dtype="float16",
    fragmentation=1.0,
)


@pytest.mark.parametrize(
    ("quantization", "dtype", "expected"),
    [
        (None, "float16", 14_000_000_000),
        (None, "auto", 14_000_000_000),
        (None, "float32", 28_000_000_000),
        ("int8", "float16", 7_000_000_000),
        ("fp8", "float16", 7_000_000_000),
        ("awq", "float16", 3_850_000_000),
        ("gptq", "float32", 3_850_000_000),
    ],
)
def test_weights_are_parameters_times_bytes(quantization, dtype, expected):
    """Quantization wins over dtype; AWQ and GPTQ take 0.55 bytes a parameter."""
    assert closed_form(replace(LLAMA_2_7B, quantization=quantization, dtype=dtype)).weights.bytes == expected


@pytest.mark.parametrize(
    ("kv_cache_dtype", "dtype", "expected"),
    [("auto", "float16", 2 * GIB), ("fp8", "float16", GIB), ("fp8_e5m2", "float16", GIB), ("auto", "float32", 4 * GIB)],
)
def test_the_kv_cache_of_llama_2_7b_at_4096(kv_cache_dtype, dtype, expected):
    """2 x 32 heads x 128 x 32 layers x 4096 tokens x 2 bytes is 2 GiB exactly."""
    budget = closed_form(replace(LLAMA_2_7B, kv_cache_dtype=kv_cache_dtype, dtype=dtype))
    assert budget.kv_bytes(1, 4096) == expected


def test_fragmentation_multiplies_the_kv_cache():
    """The published default of 1.15 makes 2 GiB into 2.3 GiB."""
    assert closed_form(replace(LLAMA_2_7B, fragmentation=1.15)).kv_bytes(1, 4096) == round(2.3 * GIB)


@pytest.mark.parametrize(
    ("gib", "tp", "expected"),
    [(24, 1, 1.0), (80, 1, 1.6), (24, 2, 1.25), (80, 4, 6.4 + 0.75)],
)
def test_overhead_grows_with_memory_and_ranks(gib, tp, expected):
    """The larger of 1 GiB and 2 % of the group's memory, and 0.25 GiB for each further GPU."""
    budget = closed_form(replace(LLAMA_2_7B, gpu_bytes=gib * GIB, tensor_parallel_size=tp))
    assert budget.overhead.bytes == pytest.approx(expected * GIB, abs=1)


def test_a_fixed_overhead_replaces_the_rule():
    """What the file says is taken."""
    assert closed_form(replace(LLAMA_2_7B, overhead_bytes=GIB // 2)).overhead.bytes == GIB // 2


def test_available_is_the_groups_share_less_weights_and_overhead():
    """Two GPUs of 24 GiB at 0.9 hold 43.2 GiB; the whole weights come off once, not once per GPU."""
    budget = closed_form(replace(LLAMA_2_7B, tensor_parallel_size=2))
    assert budget.allocatable == round(43.2 * GIB)
    assert budget.available == round(43.2 * GIB) - 14_000_000_000 - round(1.25 * GIB)
