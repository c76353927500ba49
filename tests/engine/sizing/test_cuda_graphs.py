"""Which batch sizes get a CUDA graph, by release, and whether memory is set aside for them."""

from __future__ import annotations

import pytest

from tests.engine.sizing.test_activations import card, spec
from vram_engine.facts.versions import Version
from vram_engine.sizing.batch import batch
from vram_engine.sizing.budget import GIB
from vram_engine.sizing.cuda_graphs import capture_sizes, full_graph_sizes, graph_estimate
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import era


def sizes(gpu_id: str, args: EngineArgs) -> tuple[int, ...]:
    """Capture sizes of a dense model."""
    model, gpu = spec("llama-8b"), card(gpu_id)
    return capture_sizes(args, batch(args, gpu, 8192, model), era(model, args, gpu.capability), gpu)


@pytest.mark.parametrize(
    ("gpu_id", "version", "seqs", "count", "largest"),
    [
        ("l40s", Version(0, 32, 0), 256, 51, 512),
        ("h100-sxm-80", Version(0, 32, 0), 1024, 51, 512),
        ("b200", Version(0, 32, 0), 1024, 83, 1024),
        ("b200", Version(0, 26, 0), 1024, 51, 512),
        ("l40s", Version(0, 11, 0), 256, 67, 512),
        ("l40s", Version(0, 9, 2), 16, 67, 512),
        ("l40s", Version(0, 7, 3), 256, 35, 256),
        ("l40s", Version(0, 32, 0), 8, 5, 16),
    ],
)
def test_number_of_sizes(gpu_id: str, version: Version, seqs: int, count: int, largest: int) -> None:
    """vLLM's list grows by 8, later by 16 above 256, up to twice the requests or the ceiling of the GPU."""
    found = sizes(gpu_id, EngineArgs(vllm_version=version, max_num_seqs=seqs))
    assert (len(found), found[-1]) == (count, largest)


def test_eager_captures_nothing() -> None:
    """``--enforce-eager`` leaves no graphs."""
    assert sizes("l40s", EngineArgs(enforce_eager=True)) == ()


def test_sizes_stop_at_the_tokens_of_a_step() -> None:
    """A step of 100 tokens needs no larger graph, and gets one of exactly that size."""
    assert sizes("l40s", EngineArgs(max_num_batched_tokens=100))[-2:] == (96, 100)


@pytest.mark.parametrize(
    ("version", "seqs", "captured"),
    [
        (Version(0, 31, 0), 100, True),
        (Version(0, 30, 0), 100, False),
        (Version(0, 31, 0), 500, True),
        (Version(0, 31, 0), 700, False),
    ],
)
def test_a_step_of_all_requests_has_a_graph(version: Version, seqs: int, captured: bool) -> None:
    """From 0.31 on, the largest number of requests is captured even off the grid, up to the ceiling of the GPU."""
    assert (seqs in sizes("l40s", EngineArgs(vllm_version=version, max_num_seqs=seqs))) is captured


def test_full_graphs_cover_decode_steps_only() -> None:
    """A decode step has one token per request, so full graphs end at the number of requests."""
    model, gpu = spec("llama-8b"), card("l40s")
    args = EngineArgs(max_num_seqs=64)
    limits = batch(args, gpu, 8192, model)
    assert full_graph_sizes(args, limits, era(model, args, gpu.capability), gpu)[-1] == 64


@pytest.mark.parametrize(
    ("version", "charged"), [(Version(0, 19, 1), False), (Version(0, 20, 0), True), (Version(0, 32, 0), True)]
)
def test_estimate_is_charged_since_0_20(version: Version, charged: bool) -> None:
    """Up to 0.19 graphs come on top of the share asked for; since 0.20 an estimate is taken off the KV cache."""
    model, gpu = spec("qwen-14b"), card("l40s")
    args = EngineArgs(vllm_version=version)
    term = graph_estimate(model, args, batch(args, gpu, 40960, model), era(model, args, gpu.capability), gpu)
    assert (term.bytes > 0) == charged
    assert term.high < 2.5 * GIB


def test_interactivity_captures_every_small_size() -> None:
    """The performance mode "interactivity" captures each size up to 32 beside the usual ones."""
    found = sizes("l40s", EngineArgs(performance_mode="interactivity", max_num_seqs=256))
    assert found[:34] == (*range(1, 33), 40, 48)
    assert found[32:] == sizes("l40s", EngineArgs(max_num_seqs=256))[7:]
