"""How little would do: the share and the bytes that the views name, tried."""

from __future__ import annotations

import pytest

from vram_engine.view.enough import enough, enough_words
from vram_engine.view.summary import rows

ON_H100 = "# vram: gpu=h100-sxm-80 vllm=0.32.0 concurrency=4\nmodel: meta-llama/Llama-3.1-8B-Instruct\n"


@pytest.fixture
def plan_of(analysed):
    """A function that gives the only plan of a text."""
    return lambda text: analysed(text).plans[0]


def test_the_share_named_is_enough_and_two_hundredths_less_is_not(plan_of):
    """At the share named, the workload has its blocks at the unkind end; two hundredths of the GPU less, it has not."""
    least = enough(plan_of(ON_H100 + "max-model-len: 16384\n")).utilization
    at, below = (
        plan_of(f"{ON_H100}max-model-len: 16384\ngpu-memory-utilization: {share / 100}\n")
        for share in (least, least - 2)
    )
    assert at.estimate.budget.available.low >= at.feasibility.required_bytes
    assert below.estimate.budget.available.low < below.feasibility.required_bytes + below.estimate.bytes_per_block


def test_the_bytes_named_hold_the_workload_and_the_reserved_block(plan_of):
    """4 requests of 16,384 tokens are 4,096 blocks of 2 MiB (16 tokens x 128 KiB); vLLM holds one more back."""
    assert enough(plan_of(ON_H100 + "max-model-len: 16384\n")).kv_cache_bytes == 4097 * 2 * 2**20


def test_a_version_without_the_bytes_flag_is_told_the_share_alone(plan_of):
    """--kv-cache-memory-bytes came with 0.11: before, only the share is named."""
    words = enough_words(plan_of(ON_H100.replace("0.32.0", "0.9.2") + "max-model-len: 16384\n"))
    assert "gpu-memory-utilization" in words
    assert "bytes" not in words


@pytest.mark.parametrize(
    "more",
    ["kv-cache-memory-bytes: 8G\n", "gpu-memory-utilization: 0.9\nmax-model-len: 131072\n# vram: concurrency=64\n"],
    ids=["asked for in bytes", "more than the GPU has"],
)
def test_nothing_is_named_where_no_share_is_the_answer(plan_of, more):
    """Where the KV cache is asked for in bytes the share does nothing, and no share holds more than the GPU."""
    assert enough_words(plan_of(ON_H100.replace(" concurrency=4", "") + more)) == ""


def test_shared_memory_of_cpu_and_gpu_is_said(analysed):
    """On a GB10 the reserved share is one of a memory that everything else uses too."""
    plan = analysed(ON_H100.replace("h100-sxm-80", "gb10")).plans[0]
    assert "CPU" in rows(plan)[-1].because
