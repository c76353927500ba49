"""Which accounting and which model runner a release gives a model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vram_engine.facts.versions import Version
from vram_engine.model.spec import Experts, ModelSpec
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import RELEASES, era, model_runner, release

AMPERE = (8, 0)
TURING = (7, 5)
LLAMA = ModelSpec(
    architecture="LlamaForCausalLM",
    model_type="llama",
    dtype="bfloat16",
    hidden_size=4096,
    num_layers=32,
    vocab_size=128256,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    intermediate_size=14336,
    length=131072,
    rope=(),
    sliding_window=None,
    tie_word_embeddings=False,
    runner="generate",
    modules=(),
)


def test_releases_are_listed_oldest_first() -> None:
    """The table can be read from top to bottom."""
    assert list(RELEASES) == sorted(RELEASES, key=lambda row: row.since)


@pytest.mark.parametrize(
    ("version", "utilization"),
    [(Version(0, 6, 6), 0.90), (Version(0, 19, 1), 0.90), (Version(0, 20, 0), 0.92), (Version(0, 33, 0), 0.92)],
)
def test_default_utilization_rose_with_0_20(version: Version, utilization: float) -> None:
    """vLLM asks for 90 % of the device up to 0.19.1 and for 92 % from 0.20.0."""
    assert release(version).gpu_memory_utilization == utilization


@pytest.mark.parametrize(
    ("version", "accounting"),
    [
        (Version(0, 7, 3), "growth"),
        (Version(0, 8, 5), "device use"),
        (Version(0, 9, 2), "growth"),
        (Version(0, 26, 0), "growth"),
        (Version(0, 27, 1), "consumed"),
        (Version(0, 32, 0), "consumed"),
    ],
)
def test_accounting_by_release(version: Version, accounting: str) -> None:
    """What counts against the budget changed twice: with the first V1 and with 0.27."""
    assert release(version).accounting == accounting


@pytest.mark.parametrize(
    ("version", "capability", "runner"),
    [
        (Version(0, 7, 3), AMPERE, "V0"),
        (Version(0, 8, 5), AMPERE, "V1"),
        (Version(0, 8, 5), TURING, "V0"),
        (Version(0, 11, 0), TURING, "V1"),
        (Version(0, 22, 0), AMPERE, "V1"),
        (Version(0, 24, 0), AMPERE, "V2"),
        (Version(0, 28, 0), AMPERE, "V2"),
        (Version(0, 32, 0), AMPERE, "V2"),
    ],
)
def test_runner_of_a_dense_llama(version: Version, capability: tuple[int, int], runner: str) -> None:
    """Old GPUs stayed on V0 while V1 needed Ampere; LlamaForCausalLM moved to runner V2 with 0.24."""
    assert model_runner(LLAMA, EngineArgs(vllm_version=version), capability) == runner


def test_mixture_of_experts_stays_on_v1_until_0_29() -> None:
    """An architecture outside the list of runner V2 that routes experts gets it only when all models do."""
    routed = replace(LLAMA, architecture="Qwen3MoeForCausalLM", experts=Experts(128, 8, 768, 0, 48))
    assert model_runner(routed, EngineArgs(vllm_version=Version(0, 28, 0)), AMPERE) == "V1"
    assert model_runner(routed, EngineArgs(vllm_version=Version(0, 29, 0)), AMPERE) == "V2"


def test_runner_v2_takes_no_graph_estimate_before_0_29() -> None:
    """Its ``profile_cudagraph_memory`` returned nothing until 0.29, whatever the runner V1 of the same release did."""
    qwen = replace(LLAMA, architecture="Qwen3ForCausalLM")
    assert not era(qwen, EngineArgs(vllm_version=Version(0, 28, 0)), AMPERE).graph_estimate_charged
    assert era(qwen, EngineArgs(vllm_version=Version(0, 29, 0)), AMPERE).graph_estimate_charged
    assert era(LLAMA, EngineArgs(vllm_version=Version(0, 22, 0)), AMPERE).graph_estimate_charged


def test_sampler_state_is_charged_only_where_consumption_is_measured() -> None:
    """Runner V2 allocates its counters before the weights; the accounting up to 0.26 looks at neither side of them."""
    assert not era(LLAMA, EngineArgs(vllm_version=Version(0, 26, 0)), AMPERE).sampler_state_charged
    assert era(LLAMA, EngineArgs(vllm_version=Version(0, 28, 0)), AMPERE).sampler_state_charged


@pytest.mark.parametrize(
    ("version", "method", "runner"),
    [
        (Version(0, 24, 0), None, "V2"),
        (Version(0, 24, 0), "eagle3", "V2"),
        (Version(0, 24, 0), "ngram", "V1"),
        (Version(0, 24, 0), "dflash", "V2"),
        (Version(0, 24, 0), "draft_model", "V1"),
        (Version(0, 29, 0), "draft_model", "V1"),
        (Version(0, 32, 0), "ngram", "V2"),
        (Version(0, 32, 0), "suffix", "V1"),
    ],
)
def test_a_method_of_drafting_may_need_a_runner(version: Version, method: str | None, runner: str) -> None:
    """Where runner V2 does not speculate by a method, vLLM takes V1, and for DSpark V2 whatever the model."""
    args = EngineArgs(vllm_version=version, speculative_method=method)
    assert model_runner(LLAMA, args, AMPERE) == runner
    mixture = replace(LLAMA, architecture="DeepseekV4ForCausalLM", experts=Experts(256, 6, 2048, 2048, 61))
    dspark = EngineArgs(vllm_version=Version(0, 26, 0), speculative_method="dspark")
    assert (
        model_runner(mixture, dspark, AMPERE),
        model_runner(mixture, EngineArgs(vllm_version=Version(0, 26, 0)), AMPERE),
    ) == ("V2", "V1")
