"""Step limits of ``vllm serve`` where the user gives none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.sizing.test_eras import LLAMA
from vram_engine.facts.gpus import gpu_by_id
from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.sizing.batch import batch
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.kv_cache import concurrent_batches
from vram_engine.sizing.kv_eras import kv_era


def card(gpu_id: str) -> Gpu:
    """A card of the catalogue."""
    gpu = gpu_by_id(gpu_id)
    assert gpu is not None
    return gpu


@pytest.mark.parametrize(
    ("version", "gpu_id", "tokens", "seqs"),
    [
        ("0.32.0", "h100-sxm-80", 8192, 1024),
        ("0.32.0", "a100-sxm-80", 2048, 256),
        ("0.8.5", "a100-sxm-80", 8192, 1024),
        ("0.32.0", "l40s", 2048, 256),
        ("0.32.0", "b200", 16384, 1024),
        ("0.26.0", "b200", 8192, 1024),
        ("0.32.0", "a800-sxm-80", 8192, 1024),
    ],
)
def test_defaults_by_card_and_release(version: str, gpu_id: str, tokens: int, seqs: int) -> None:
    """Defaults follow the size of the device and its name, by release (``get_batch_defaults``)."""
    args = EngineArgs(vllm_version=Version(*(int(part) for part in version.split("."))))
    limits = batch(args, card(gpu_id), 131072, LLAMA)
    assert (limits.max_num_batched_tokens, limits.max_num_seqs) == (tokens, seqs)


def test_given_values_are_kept() -> None:
    """What the user sets is taken as it is, and said to be given."""
    args = EngineArgs(max_num_batched_tokens=4096, max_num_seqs=8)
    limits = batch(args, card("l4"), 32768, LLAMA)
    assert (limits.max_num_batched_tokens, limits.max_num_seqs) == (4096, 8)
    assert (limits.tokens_why, limits.seqs_why) == ("max_num_batched_tokens as set", "max_num_seqs as set")


def test_a_prompt_must_fit_one_step_without_chunked_prefill() -> None:
    """Chunked prefill off raises the tokens to the longest prompt."""
    args = EngineArgs(enable_chunked_prefill=False)
    assert batch(args, card("l4"), 32768, LLAMA).max_num_batched_tokens == 32768


def test_default_seqs_never_exceed_tokens() -> None:
    """The default number of requests is capped by the tokens of a step, which each need at least one."""
    args = EngineArgs(max_num_batched_tokens=512)
    assert batch(args, card("h100-sxm-80"), 4096, LLAMA).max_num_seqs == 512


def test_tokens_never_exceed_what_all_requests_can_hold() -> None:
    """Eight requests of 100 tokens cannot fill 2048."""
    args = EngineArgs(max_num_seqs=8)
    assert batch(args, card("l4"), 100, LLAMA).max_num_batched_tokens == 800


@pytest.mark.parametrize(("length", "tokens"), [(8192, 8192), (1024, 2048), (40000, 2048)])
def test_v0_takes_whole_prompts_up_to_32k(length: int, tokens: int) -> None:
    """V0 prefills a prompt in one step unless its context is longer than 32k."""
    args = EngineArgs(vllm_version=Version(0, 7, 3))
    limits = batch(args, card("l4"), length, LLAMA)
    assert (limits.max_num_batched_tokens, limits.max_num_seqs) == (tokens, 256)


def test_the_dummy_batch_has_at_most_one_request_per_token() -> None:
    """Memory is profiled with no more requests than tokens."""
    args = EngineArgs(max_num_batched_tokens=16, max_num_seqs=64)
    assert batch(args, card("l4"), 4096, LLAMA).num_reqs == 16


@pytest.mark.parametrize(
    ("version", "stages", "steps"), [("0.32.0", 1, 2), ("0.32.0", 2, 3), ("0.22.0", 2, 1), ("0.12.0", 1, 1)]
)
def test_steps_in_flight(version: str, stages: int, steps: int) -> None:
    """Windows hold one step per pipeline stage and one more, scheduled ahead; before 0.26 just one."""
    parts = Version(*(int(part) for part in version.split(".")))
    args = EngineArgs(vllm_version=parts, pipeline_parallel_size=stages)
    assert concurrent_batches(LLAMA, args, card("l4").capability, kv_era(parts)) == steps


def test_throughput_doubles_what_is_not_given() -> None:
    """The performance mode "throughput" doubles both defaults, and leaves what the user set."""
    args = EngineArgs(performance_mode="throughput")
    limits = batch(args, card("h100-sxm-80"), 131072, LLAMA)
    assert (limits.max_num_batched_tokens, limits.max_num_seqs) == (16384, 2048)
    limits = batch(replace(args, max_num_seqs=8), card("h100-sxm-80"), 131072, LLAMA)
    assert (limits.max_num_batched_tokens, limits.max_num_seqs) == (16384, 8)
