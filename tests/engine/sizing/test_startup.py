"""The whole start-up budget against boots whose logs print what was left for the KV cache."""

from __future__ import annotations

import math

import pytest

from tests.engine.sizing.test_activations import card, spec
from vram_engine.facts.versions import Version
from vram_engine.model.spec import Unavailable
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.startup import StartupBudget, overridden, startup


def budget(name: str, gpu_id: str, length: int, args: EngineArgs, *weights: float, total: float) -> StartupBudget:
    """The budget of a model of the table on a card of ``total`` GiB, with known weights in GiB per stage."""
    stages = tuple(Term("weights", round(size * GIB), "as the log says") for size in weights)
    found = startup(spec(name), args, card(gpu_id), stages, max_model_len=length, memory_bytes=round(total * GIB))
    assert isinstance(found, StartupBudget)
    return found


@pytest.mark.parametrize(
    ("name", "gpu_id", "length", "args", "weights", "total", "left", "tolerance"),
    [
        # V0, sampler by sorting
        ("qwen-0.5b", "t4", 32768, EngineArgs(Version(0, 7, 3)), (0.93,), 14.56, 10.63, 0.05),
        ("llama-8b", "a100-sxm-80", 2048, EngineArgs(Version(0, 7, 3)), (14.99,), 79.14, 54.93, 0.05),
        # V1, sampler by Triton, first compilation
        ("qwen-7b", "rtx-4080", 32768, EngineArgs(Version(0, 18, 0)), (5.29,), 15.99, 8.00, 0.05),
        # runner V2 without a graph estimate, consumption measured
        ("qwen-14b", "l40s", 40960, EngineArgs(Version(0, 28, 0)), (27.52,), 44.4, 11.57, 0.05),
        ("qwen-14b", "l40s", 40960, EngineArgs(Version(0, 28, 0)), (9.44,), 44.4, 29.63, 0.05),
        ("qwen-14b", "l4", 40960, EngineArgs(Version(0, 28, 0)), (9.44,), 22.04, 9.10, 0.05),
    ],
)
def test_left_for_the_kv_cache(
    name: str,
    gpu_id: str,
    length: int,
    args: EngineArgs,
    weights: tuple[float, ...],
    total: float,
    left: float,
    tolerance: float,
) -> None:
    """The expected KV cache is within a few hundredths of a GiB of what the boot printed, and inside the band."""
    available = budget(name, gpu_id, length, args, *weights, total=total).kv_cache_available
    assert available.expected / GIB == pytest.approx(left, abs=tolerance)
    assert available.low / GIB <= left <= available.high / GIB


def test_a_warm_start_lies_in_the_band() -> None:
    """The second launch of the same engine on an L4 had 10.33 GiB instead of 9.10: nothing was compiled again."""
    found = budget("qwen-14b", "l4", 40960, EngineArgs(Version(0, 28, 0)), 9.44, total=22.04).kv_cache_available
    assert found.low / GIB <= 10.33 <= found.high / GIB


def test_requested_is_rounded_up() -> None:
    """vLLM asks for the ceiling of total × utilization, in bytes."""
    found = budget("llama-8b", "l4", 8192, EngineArgs(gpu_memory_utilization=0.5), 15.0, total=22.04)
    assert found.requested == math.ceil(round(22.04 * GIB) * 0.5)
    assert found.requested + found.slack == round(22.04 * GIB)


def test_the_fullest_stage_decides() -> None:
    """With two stages the budget is that of the poorer one."""
    args = EngineArgs(pipeline_parallel_size=2)
    found = budget("llama-8b", "l4", 8192, args, 6.0, 9.0, total=22.04)
    assert found.kv_cache_available == found.stages[1].kv_cache_available


def test_kv_cache_memory_bytes_replaces_the_accounting() -> None:
    """``--kv-cache-memory-bytes`` is what the KV cache gets, for certain."""
    args = EngineArgs(kv_cache_memory_bytes=5 * GIB)
    left = budget("llama-8b", "l4", 8192, args, 15.0, total=22.04).kv_cache_available
    assert (left.low, left.expected, left.high) == (5 * GIB, 5 * GIB, 5 * GIB)


def test_block_override_counts_before_the_check_only_in_later_releases() -> None:
    """From 0.21 the check sees the overridden number of blocks; before, it sees what was measured."""
    late = budget("llama-8b", "l4", 8192, EngineArgs(), 15.0, total=22.04)
    early = budget("llama-8b", "l4", 8192, EngineArgs(Version(0, 19, 0)), 15.0, total=22.04)
    assert overridden(late, (2**21,), 100).kv_cache_available.expected == 100 * 2**21
    assert overridden(early, (2**21,), 100) == early


def test_too_little_free_memory_is_refused_before_anything_else() -> None:
    """Two fifths of an A800 free is less than the nine tenths asked for: the check that vLLM makes first."""
    args = EngineArgs(Version(0, 13, 0), gpu_memory_utilization=0.9)
    weights = (Term("weights", 16 * GIB, "known"),)
    found = startup(spec("llama-8b"), args, card("a800-sxm-80"), weights, max_model_len=8192, free_bytes=38 * GIB)
    assert isinstance(found, StartupBudget)
    assert found.free_memory is not None
    assert found.free_memory.free < found.free_memory.requested


def test_v0_makes_no_such_check() -> None:
    """V0 starts whatever is free, and fails later."""
    args = EngineArgs(Version(0, 7, 3))
    weights = (Term("weights", 16 * GIB, "known"),)
    found = startup(spec("llama-8b"), args, card("a100-sxm-80"), weights, max_model_len=8192, free_bytes=1)
    assert isinstance(found, StartupBudget)
    assert found.free_memory is None


def test_without_weights_there_is_no_budget() -> None:
    """No stage, no answer."""
    assert isinstance(startup(spec("llama-8b"), EngineArgs(), card("l4"), (), max_model_len=8192), Unavailable)


@pytest.mark.parametrize(
    "args",
    [
        EngineArgs(gpu_memory_utilization=float("nan")),
        EngineArgs(gpu_memory_utilization=0.0),
        EngineArgs(gpu_memory_utilization=1.5),
        EngineArgs(tensor_parallel_size=0),
    ],
)
def test_impossible_arguments_are_not_sized(args: EngineArgs) -> None:
    """Arguments that vLLM refuses give no budget."""
    weights = (Term("weights", 16 * GIB, "known"),)
    assert isinstance(startup(spec("llama-8b"), args, card("l4"), weights, max_model_len=8192), Unavailable)


def test_shared_memory_widens_the_band() -> None:
    """Where CPU and GPU share memory, co-tenants move the budget by gigabytes, and the band says so."""
    found = budget("llama-8b", "gb10", 8192, EngineArgs(), 15.0, total=121.69).kv_cache_available
    assert found.high - found.low > 10 * GIB
