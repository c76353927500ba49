"""A measured start-up in place of the modelled terms: which deployments it speaks for, and what it changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vram_engine.deployment import Deployment, Known, Setting
from vram_engine.estimate import Estimate, estimate
from vram_engine.facts.catalogue import catalogue_model
from vram_engine.facts.gpus import gpu_by_id
from vram_engine.facts.versions import Version
from vram_engine.hardware import Node
from vram_engine.measured import Measured
from vram_engine.model import from_config
from vram_engine.sizing.budget import GIB

MODEL = "Qwen/Qwen3-8B"
ROW = Measured(
    model=MODEL,
    gpu="l40s",
    vllm_version=Version(0, 32, 0),
    tensor_parallel_size=1,
    max_num_seqs=256,
    max_num_batched_tokens=2048,
    weights_bytes=16 * GIB,
    activation_bytes=2 * GIB,
    non_torch_bytes=GIB,
    cuda_graph_bytes=3 * GIB,
)


def sized(*measured, **settings) -> Estimate:
    """Qwen3-8B on one L40S under flags in snake case, with start-ups that were measured."""
    said = {"model": MODEL, "vllm-version": "0.32.0", **{k.replace("_", "-"): v for k, v in settings.items()}}
    occurrences = tuple(Setting(name, Known(value), "argument") for name, value in said.items())
    deployment = replace(Deployment("arguments", "", 0, {}, {}).with_settings(occurrences), measured=measured)
    found = estimate(deployment, from_config(catalogue_model(MODEL).config), Node(gpu_by_id("l40s"), 1))
    assert isinstance(found, Estimate)
    return found


def bases(found):
    """How each term of a budget is known."""
    return [term.basis for term in found.budget.terms]


def test_measured_terms_take_the_place_of_modelled_ones():
    """Every term is the measured one, and the KV cache gets what they leave of the share asked for."""
    budget = sized(ROW).budget
    assert [term.bytes for term in budget.terms] == [16 * GIB, 2 * GIB, 3 * GIB, GIB]
    assert {term.basis for term in budget.terms} == {"measured"}
    assert budget.available.expected == budget.requested_bytes - 22 * GIB


def test_what_was_measured_is_no_longer_uncertain():
    """The band of what is left shrinks to what the device itself is unsure of."""
    before, after = sized().budget.available, sized(ROW).budget.available
    assert after.high - after.low < before.high - before.low
    assert after.low <= after.expected <= after.high


def test_a_term_that_was_not_measured_stays_modelled():
    """A start-up that tells only the weights, the allocator's ends in them, leaves the rest as it was."""
    row = replace(ROW, activation_bytes=None, non_torch_bytes=None, cuda_graph_bytes=None)
    plain, calibrated = sized().budget, sized(row).budget
    assert calibrated.weights.bytes == 16 * GIB
    assert calibrated.activations == plain.activations
    assert plain.available.expected + sum(term.bytes for term in plain.terms) == plain.requested_bytes
    assert calibrated.available.expected + sum(term.bytes for term in calibrated.terms) == plain.requested_bytes


def test_the_sum_beside_the_weights_is_enough():
    """Where only the sum is known, the KV cache is as certain, and the sum stands as other memory."""
    row = replace(ROW, activation_bytes=None, non_torch_bytes=None, cuda_graph_bytes=None, beside_weights_bytes=4 * GIB)
    budget = sized(row).budget
    assert budget.non_torch.bytes == 4 * GIB
    assert budget.available.expected == budget.requested_bytes - 20 * GIB


def test_the_latest_of_two_start_ups_counts():
    """Rows are in the order in which they were measured."""
    assert sized(ROW, replace(ROW, weights_bytes=15 * GIB)).budget.weights.bytes == 15 * GIB


@pytest.mark.parametrize(
    "other",
    [
        {"model": "Qwen/Qwen3-4B"},
        {"gpu": "l40"},
        {"vllm_version": Version(0, 31, 0)},
        {"tensor_parallel_size": 2},
        {"max_num_seqs": 128},
        {"max_num_batched_tokens": 4096},
        {"arguments": (("enforce-eager", True),)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_launch_says_nothing_about_this_one(other):
    """Model, GPU, version, ranks, batch limits and every other deciding argument must be the same."""
    assert "measured" not in bases(sized(replace(ROW, **other)))


@pytest.mark.parametrize(
    "settings",
    [{"max_model_len": 4096}, {"gpu_memory_utilization": 0.8}, {"enable_prefix_caching": False}, {"dtype": "bfloat16"}],
    ids=lambda settings: next(iter(settings)),
)
def test_what_leaves_the_terms_alone_may_differ(settings):
    """Length, utilization and prefix caching do not change what ranks hold; a dtype chosen anyway is no difference."""
    assert set(bases(sized(ROW, **settings))) == {"measured"}


def test_a_cache_of_a_given_size_stays_as_large():
    """With --kv-cache-memory-bytes the cache is that, whatever was measured."""
    found = sized(ROW, kv_cache_memory_bytes=5 * GIB).budget.available
    assert (found.low, found.expected, found.high) == (5 * GIB, 5 * GIB, 5 * GIB)
