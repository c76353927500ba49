"""Weights that were derived before are not derived again, and never for another model or other arguments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.sizing.test_weights_refusals import H100, QWEN, spec_of
from vram_engine.sizing.allocator import allocation_slack
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.weights import weights


@pytest.mark.parametrize("derive", [weights, allocation_slack])
def test_what_comes_after_loading_leaves_weights_as_they_were(derive) -> None:
    """Another length, batch or share of the GPU is answered with the very same terms."""
    spec = spec_of(QWEN)
    longer = EngineArgs(max_model_len=4096, max_num_seqs=8, gpu_memory_utilization=0.5, kv_cache_dtype="fp8")
    assert derive(spec, longer, H100) is derive(spec, EngineArgs(max_model_len=8192), H100)


@pytest.mark.parametrize(
    "args",
    [
        EngineArgs(tensor_parallel_size=2),
        EngineArgs(pipeline_parallel_size=2),
        EngineArgs(quantization="fp8"),
        EngineArgs(dtype="float32"),
        EngineArgs(enable_lora=True),
        EngineArgs(cpu_offload_gb=0.25),
    ],
)
def test_what_weights_depend_on_is_derived_anew(args: EngineArgs) -> None:
    """Ranks, stages, formats, adapters and offloading make other terms."""
    spec = spec_of(QWEN)
    assert weights(spec, args, H100) != weights(spec, EngineArgs(), H100)


def test_another_model_is_another_key() -> None:
    """A model that differs in one figure is not taken for the one before."""
    spec = spec_of(QWEN)
    before, after = weights(spec, EngineArgs(), H100), weights(replace(spec, held_ratio=2.0), EngineArgs(), H100)
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    # Files that hold twice what the config implies.
    assert after[0].high == 2 * before[0].bytes
