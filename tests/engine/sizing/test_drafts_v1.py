"""Layers that draft on model runner V1, which served them up to 0.28: what a release does otherwise, and logs of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.sizing.test_activations import card
from tests.engine.sizing.test_drafts import (
    DRAFTS,
    EAGLE,
    FIRST_HEAD,
    HEAD,
    SETTING,
    SMALL,
    TARGET,
    llama,
    named,
    plan,
    spec_of,
)
from tests.engine.sizing.test_weights_table import MODELS
from vram_engine.analysis import Context, analyse
from vram_engine.facts.versions import Version
from vram_engine.model import from_config
from vram_engine.model.reference import FoundModel, ModelRef
from vram_engine.model.spec import Draft, ModelSpec
from vram_engine.sizing.activations import activations
from vram_engine.sizing.batch import batch
from vram_engine.sizing.budget import GIB, Term
from vram_engine.sizing.cuda_graphs import capture_sizes, full_graph_sizes
from vram_engine.sizing.drafts import draft_state, with_draft
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import era
from vram_engine.sizing.kv_cache import KvLayout, kv_layout
from vram_engine.sizing.sampler import sampler_peak
from vram_engine.sizing.startup import StartupBudget, startup
from vram_engine.sizing.weights import weights

HOPPER = (9, 0)
V1 = EngineArgs(vllm_version=Version(0, 22, 0), speculative_method="mtp", num_speculative_tokens=2)


def verdict(config: dict, settings: str, gpu: str = "8xh200") -> str:
    """The verdict on a model of that config with a prediction layer."""
    spec = from_config(config)
    assert isinstance(spec, ModelSpec), spec
    known = {ModelRef("org/model"): FoundModel(spec, "declared")}
    (found,) = analyse(f"# vram: gpu={gpu}\nmodel: org/model\n{settings}{SETTING}", Context(models=known)).plans
    return found.verdict


def test_the_cache_of_a_log() -> None:
    """74.76 GiB of 8-bit pages held 24.62 requests of 262,144 tokens of Qwen3.6-35B-A3B under vLLM 0.22.1."""
    args = replace(V1, vllm_version=Version(0, 22, 1), kv_cache_dtype="fp8", enable_prefix_caching=True)
    layout = kv_layout(
        spec_of(DRAFTS["Qwen3.5-35B-A3B"]), args, (12, 1), max_num_batched_tokens=8192, max_model_len=2**18
    )
    assert isinstance(layout, KvLayout), layout
    assert layout.max_concurrency((round(74.765 * GIB),)) == pytest.approx(24.62, abs=0.006)
    assert layout.capacity_tokens((round(74.765 * GIB),)) == 6_455_296


@pytest.mark.parametrize("version", [Version(0, 22, 0), Version(0, 25, 0), Version(0, 27, 0)])
def test_the_layer_joins_the_windows_of_deepseek_v4(version: Version) -> None:
    """The 44th layer with a window falls into a group that had room for it, so that a block is as large as before."""
    spec = spec_of(DRAFTS["DeepSeek-V4-Flash"])
    args = replace(V1, vllm_version=version, tensor_parallel_size=4, kv_cache_dtype="fp8")
    blocks = []
    for each in (args, replace(args, speculative_method=None, num_speculative_tokens=0)):
        layout = kv_layout(spec, each, HOPPER, max_num_batched_tokens=8192, max_model_len=65536)
        assert isinstance(layout, KvLayout), layout
        blocks.append(layout.bytes_per_block[0])
    assert blocks[0] == blocks[1]


@pytest.mark.parametrize("version", [Version(0, 20, 0), Version(0, 24, 0), Version(0, 28, 0)])
def test_the_layer_weighs_the_same(version: Version) -> None:
    """Table and head are the model's in these releases too."""
    spec = spec_of(DRAFTS["GLM-4.5-Air"])
    found = []
    for args in (replace(V1, vllm_version=version), replace(V1, vllm_version=Version(0, 32, 0))):
        stages = weights(spec, args, HOPPER)
        assert isinstance(stages, tuple)
        drafted = with_draft(stages, spec, args, HOPPER, 131072)
        assert isinstance(drafted, tuple)
        found.append(drafted[0].bytes - stages[0].bytes)
    assert found[0] == found[1]


def test_sizes_are_rounded_up_to_whole_requests() -> None:
    """Of 5 requests with 4 drafts: 1 to 48 tokens become 5 to 40, of which 25 and less are whole steps."""
    spec, gpu = spec_of(DRAFTS["GLM-4.5-Air"]), card("h100-sxm-80")
    args = replace(V1, max_num_seqs=5, num_speculative_tokens=4)
    limits, regime = batch(args, gpu, 8192, spec), era(spec, args, HOPPER)
    assert capture_sizes(args, limits, regime, gpu) == (5, 10, 20, 25, 35, 40)
    assert full_graph_sizes(args, limits, regime, gpu) == (5, 10, 20, 25)


def test_drafts_are_rejected_on_logits_of_two_tokens_a_request() -> None:
    """Beside the usual 14 B: two rows of 16 bits, two copies and a reciprocal; 16 B for 256 × 151,552 logits."""
    spec, gpu = spec_of(DRAFTS["GLM-4.5-Air"]), card("l40s")
    plain = replace(V1, speculative_method=None, num_speculative_tokens=0)
    peaks = [
        sampler_peak(spec, args, batch(args, gpu, 8192, spec), era(spec, args, gpu.capability)).bytes
        for args in (V1, plain)
    ]
    assert peaks[0] - peaks[1] == 256 * 151552 * 16


def test_buffers_of_the_drafter() -> None:
    """2048 tokens of 2 × 4096 values in 16 bits and 24 bytes of inputs, and 4 bytes for each of 256 requests."""
    spec, gpu = spec_of(DRAFTS["GLM-4.5-Air"]), card("l40s")
    assert isinstance(spec.mtp, Draft)
    state = draft_state(spec, spec.mtp, V1, era(spec, V1, gpu.capability), batch(V1, gpu, 8192, spec))
    assert state.bytes == 2048 * (2 * 4096 * 2 + 24) + 256 * 4


@pytest.mark.parametrize(("version", "charged"), [(Version(0, 26, 0), False), (Version(0, 28, 0), True)])
def test_buffers_are_charged_where_the_device_is_measured(version: Version, charged: bool) -> None:
    """Until 0.26 what was allocated before the weights was not counted, and came on top of the share."""
    spec, gpu, args = spec_of(DRAFTS["GLM-4.5-Air"]), card("h100-sxm-80"), replace(V1, vllm_version=version)
    found = startup(spec, args, gpu, (Term("weights", GIB, ""),), max_model_len=8192)
    assert isinstance(found, StartupBudget), found
    (stage,) = found.stages
    assert ("drafting state" in [part.name for part in stage.spent.parts]) is charged
    assert ("drafting state" in [part.name for part in stage.outside.parts]) is not charged


def test_a_verdict_on_runner_v1() -> None:
    """A release of the older runner gets a verdict."""
    found = plan("GLM-4.5-Air", f"# vram: vllm=0.22.0\ntensor-parallel-size: 4\n{SETTING}", "4xh200")
    assert found.verdict == "fits"


@pytest.mark.parametrize(
    ("name", "version", "known"),
    [
        ("mimo", "0.24.0", True),
        ("mimo", "0.25.1", False),
        ("DeepSeek-V3.2", "0.28.0", False),
        ("DeepSeek-V4-Flash", "0.27.1", True),
        ("DeepSeek-V4-Flash", "0.28.0", False),
        ("exaone", "0.19.1", False),
        ("exaone", "0.20.0", True),
        ("MiMo-V2-Flash", "0.21.0", False),
        ("qwen3next", "0.16.0", True),
        ("Qwen3.5-35B-A3B", "0.16.0", False),
        ("Qwen3.5-35B-A3B", "0.17.1", True),
    ],
)
def test_releases_that_draft_otherwise(name: str, version: str, known: bool) -> None:
    """Runner V2 before it served all models, and layers that were none yet or others, leave no verdict."""
    packed = "kv-cache-dtype: fp8\n" if "V4" in name else ""
    settings = f"# vram: vllm={version}\nmax-model-len: 4096\ntensor-parallel-size: 8\n{packed}{SETTING}"
    found = plan(name, settings, "8xh200")
    assert (found.verdict != "unknown") is known, found.unmodelled


@pytest.mark.parametrize(("version", "known"), [("0.19.1", False), ("0.20.0", True)])
def test_the_projection_that_nvfp4_left_in_16_bits(version: str, known: bool) -> None:
    """Before vLLM knew, such checkpoints did not load as they are."""
    config = MODELS["Qwen3.5-35B-A3B"]["config"]
    row = DRAFTS["Qwen3.5-35B-A3B"]
    config = config | {"text_config": config["text_config"] | row["more_text"]}
    config |= {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["mtp*"]}}
    assert (verdict(config, f"# vram: vllm={version}\nmax-model-len: 4096\n", "h200") != "unknown") is known


APART = [
    ("eagle3", '{"model": "org/small", "method": "eagle3", "num_speculative_tokens": 3}', HEAD),
    ("eagle", '{"model": "org/small", "method": "eagle", "num_speculative_tokens": 3}', FIRST_HEAD),
    ("draft_model", '{"model": "org/small", "num_speculative_tokens": 3}', SMALL),
]


@pytest.mark.parametrize(("method", "setting", "draft"), APART)
@pytest.mark.parametrize(
    ("version", "methods"),
    [
        ("0.15.1", ()),
        ("0.16.0", ("eagle", "eagle3", "draft_model")),
        ("0.22.0", ("eagle", "eagle3", "draft_model")),
        ("0.26.0", ("draft_model",)),
        ("0.28.0", ("draft_model",)),
        ("0.29.0", ()),
    ],
)
def test_releases_that_draft_with_another_model(
    method: str, setting: str, draft: dict, version: str, methods: tuple[str, ...]
) -> None:
    """As long as runner V1 serves the model; runner V2 does from 0.24 on, but not with a draft model."""
    known = {"large": llama(TARGET), "small": llama(draft)}
    found, _ = named(known, f"# vram: vllm={version}\nspeculative-config: {setting}\n")
    assert (found.verdict == "fits") is (method in methods), found.unmodelled


@pytest.mark.parametrize(
    ("target", "draft", "version", "followed"),
    [
        ({}, {"norm_before_fc": True}, "0.21.0", False),
        ({}, {"norm_before_fc": True}, "0.22.0", True),
        ({}, {"num_aux_hidden_states": 4}, "0.21.0", False),
        ({"architectures": ["MistralForCausalLM"], "model_type": "mistral"}, {}, "0.22.0", False),
    ],
)
def test_eagle_heads_that_releases_do_not_know(target: dict, draft: dict, version: str, followed: bool) -> None:
    """Norms and other numbers of states came with 0.22; not every model hands over its states."""
    known = {"large": llama(TARGET | target), "small": llama(HEAD | draft)}
    found, _ = named(known, f"# vram: vllm={version}\nspeculative-config: {APART[0][1]}\n")
    assert (found.verdict == "fits") is followed, found.unmodelled


@pytest.mark.parametrize(("version", "positions"), [(Version(0, 22, 0), 2048), (Version(0, 28, 0), 131072)])
def test_an_eagle_head_has_a_short_rotary_table_at_first(version: Version, positions: int) -> None:
    """Its own 2048 positions of 128 values up to 0.26, then as many as the model takes; the rest weighs the same."""
    spec, args = llama(TARGET, llama(HEAD)), replace(EAGLE, vllm_version=version)
    stages = weights(spec, args, HOPPER)
    assert isinstance(stages, tuple)
    found = with_draft(stages, spec, args, HOPPER, 131072)
    assert isinstance(found, tuple)
    assert found[0].bytes - stages[0].bytes == 849_635_328 + positions * 128 * 2


def test_an_eagle_head_with_all_tokens_has_a_map_all_the_same() -> None:
    """128,256 ids of 8 B more than the 96,256 rows of 4096 values and the 32,000 ids of the map account for."""
    sizes = []
    for head in (HEAD, HEAD | {"draft_vocab_size": 128256}):
        spec, args = llama(TARGET, llama(head)), replace(EAGLE, vllm_version=Version(0, 22, 0))
        stages = weights(spec, args, HOPPER)
        assert isinstance(stages, tuple)
        found = with_draft(stages, spec, args, HOPPER, 131072)
        assert isinstance(found, tuple)
        sizes.append(found[0].bytes - stages[0].bytes)
    assert sizes[1] - sizes[0] == 96256 * 4096 * 2 + (128256 - 32000) * 8


def test_a_draft_model_is_profiled_with_the_whole_step() -> None:
    """Runner V1 leaves no room in the profiled step for what the draft adds to each request."""
    spec = llama(TARGET, llama(SMALL))
    args = replace(EAGLE, vllm_version=Version(0, 28, 0), speculative_method="draft_model")
    found = startup(spec, args, card("h100-sxm-80"), (Term("weights", 16 * GIB, ""),), max_model_len=8192)
    assert isinstance(found, StartupBudget), found
    (activation,) = [part for part in found.stages[0].spent.parts if part.name == "activation"]
    assert "8,192 hidden states" in activation.because


def test_hidden_states_wait_while_the_layer_is_compiled() -> None:
    """2048 tokens × 2048 values beside the copy of the embedding table that a first compilation times kernels on."""
    spec, gpu = spec_of(DRAFTS["Qwen3.5-35B-A3B"]), card("rtx-3090")
    plain = replace(V1, speculative_method=None, num_speculative_tokens=0)
    peaks = []
    for args in (V1, plain):
        small = replace(args, max_num_seqs=2, max_num_batched_tokens=2048, language_model_only=True)
        limits, regime = batch(small, gpu, 8192, spec), era(spec, small, gpu.capability)
        (peak, _) = activations(spec, small, limits, regime, gpu).parts
        assert "embedding table" in peak.because
        peaks.append(peak.bytes)
    assert peaks[0] - peaks[1] == 2048 * 2048 * 2
