"""Places for LoRA adapters against what vLLM 0.32's own layers allocate, and the laws they obey."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.sizing.test_weights_refusals import H100, QWEN, spec_of
from tests.engine.sizing.test_weights_table import MODELS
from tests.engine.sizing.test_weights_table import spec_of as table_spec_of
from vram_engine.facts.versions import Version
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.lora import slots_of, target_modules, unfollowed_adapters, unfollowed_targets
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.weights import LORA_SLOTS, allocated_bytes, weights

TWO: dict[str, Any] = {"max_loras": 2, "max_lora_rank": 16}
SHARDED: dict[str, Any] = {"max_loras": 4, "max_lora_rank": 64, "fully_sharded_loras": True}
SOME: dict[str, Any] = {
    "max_loras": 1,
    "max_lora_rank": 16,
    "lora_target_modules": ("q_proj", "v_proj", "experts", "lm_head"),
}

# What LoRAModelManager allocates on each stage for vLLM's own model classes, built without weights.
ALLOCATED: tuple[tuple[str, int, int, dict[str, Any], list[int]], ...] = (
    ("Meta-Llama-3.1-8B", 2, 1, TWO, [131213312]),
    ("Meta-Llama-3.1-8B", 4, 1, SHARDED, [472098816]),
    ("Meta-Llama-3.1-8B", 2, 1, SOME, [20989952]),
    ("Qwen3-8B", 2, 2, {"max_lora_rank": 32}, [70148096, 71363584]),
    (
        "Qwen3-8B",
        2,
        1,
        {"max_lora_rank": 8, "lora_target_modules": ("qkv_proj", "gate_proj", "embed_tokens")},
        [23140352],
    ),
    ("Qwen2.5-7B-Instruct-AWQ", 2, 1, TWO, [103219200]),
    ("Qwen3-32B-FP8", 2, 1, TWO, [363154432]),
    ("Qwen3-Embedding-0.6B", 2, 1, TWO, [36379968]),
    ("Mistral-7B-v0.1", 2, 1, TWO, [113246208]),
    ("OLMo-2-1124-13B", 2, 1, TWO, [177799168]),
    ("c4ai-command-r-v01", 2, 1, TWO, [292159488]),
    ("phi-4", 2, 1, TWO, [151928832]),
    ("opt-125m", 2, 1, TWO, [7077888]),
    ("bge-m3", 2, 1, TWO, [18874368]),
    ("gemma-2-2b-it", 2, 2, {"max_lora_rank": 16}, [13737984, 13737984]),
    ("gemma-3-4b-it", 2, 1, TWO, [79101952]),
    ("Qwen3-VL-4B-Instruct", 2, 1, TWO, [107695104]),
    ("Qwen3-30B-A3B", 2, 1, TWO, [2935836224]),
    ("Qwen3-30B-A3B", 4, 1, SHARDED, [6963105728]),
    ("Qwen3-30B-A3B", 2, 2, {"max_lora_rank": 32}, [1478380736, 1478380736]),
    ("OLMoE-1B-7B-0924", 2, 1, TWO, [518062272]),
    ("DeepSeek-V2-Lite", 2, 1, TWO, [921901368]),
    ("DeepSeek-V2-Lite", 2, 2, {"max_lora_rank": 32}, [462051432, 459849832]),
    ("DeepSeek-V3.2", 2, 1, TWO, [23764193976]),
    ("DeepSeek-V4-Flash", 2, 1, TWO, [11050553860]),
    ("Qwen3.5-35B-A3B", 2, 1, TWO, [3311233504]),
    ("Qwen3.5-35B-A3B", 4, 1, SHARDED, [7947329312]),
    ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 2, 1, TWO, [1438850580]),
    ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 4, 1, SHARDED, [3635659212]),
    ("Falcon-H1-7B-Instruct", 1, 1, TWO, [280988672]),
    ("granite-4.0-h-tiny", 1, 1, TWO, [1092984288]),
    ("granite-4.0-h-tiny", 2, 1, TWO, [935116256]),
    ("LFM2-1.2B", 1, 1, TWO | {"fully_sharded_loras": True}, [49153920]),
)


def slots(spec: ModelSpec, **given: Any) -> list[int]:
    """Bytes of the places for adapters on each stage."""
    stages = weights(spec, EngineArgs(enable_lora=True, **given), H100)
    assert isinstance(stages, tuple), stages
    return [part.bytes for stage in stages for part in stage.parts if part.name == LORA_SLOTS]


@pytest.mark.parametrize(("name", "tensor", "pipeline", "given", "expected"), ALLOCATED)
def test_slots_equal_those_of_vllm(
    name: str, tensor: int, pipeline: int, given: dict[str, Any], expected: list[int]
) -> None:
    """Every stage's places are as large as the tensors that vLLM's layers allocate."""
    spec = table_spec_of(MODELS[name])
    assert slots(spec, tensor_parallel_size=tensor, pipeline_parallel_size=pipeline, **given) == expected


def test_slots_by_hand() -> None:
    """One adapter of rank 8 on a Llama layer: A and B of q, k, v, o, gate, up and down, on 16 bits."""
    config = QWEN | {"architectures": ["Qwen2ForCausalLM"], "num_hidden_layers": 1}
    hidden, width, keys = 896, 4864, 128
    queries, key, value = hidden + hidden, hidden + keys, hidden + keys
    mlp = 3 * (hidden + width)
    assert slots(spec_of(config), max_lora_rank=8) == [(queries + key + value + 2 * hidden + mlp) * 8 * 2]


def test_slots_are_apart_from_the_weights() -> None:
    """Adapters add to a stage, but not to what the model itself allocates."""
    spec = spec_of(QWEN)
    without, having = weights(spec, EngineArgs(), H100), weights(spec, EngineArgs(enable_lora=True), H100)
    assert isinstance(without, tuple)
    assert isinstance(having, tuple)
    assert allocated_bytes(having[0]) == allocated_bytes(without[0])
    assert having[0].bytes == without[0].bytes + slots(spec)[0]
    assert sum(part.bytes for part in having[0].parts) == having[0].bytes


@given(st.integers(1, 8), st.integers(1, 8), st.sampled_from([8, 16, 64]), st.sampled_from([8, 16, 64]))
def test_more_never_needs_less(few: int, more: int, low: int, high: int) -> None:
    """More places and larger ranks never take less."""
    few, more, low, high = min(few, more), max(few, more), min(low, high), max(low, high)
    spec = spec_of(QWEN)
    assert slots(spec, max_loras=few, max_lora_rank=low) <= slots(spec, max_loras=more, max_lora_rank=high)


@given(st.sampled_from([8, 16, 64]))
def test_restricting_or_dividing_never_needs_more(rank: int) -> None:
    """Fewer targets, more ranks and dividing both sides never take more."""
    spec = spec_of(QWEN)
    whole = slots(spec, max_lora_rank=rank)[0]
    halves = slots(spec, max_lora_rank=rank, tensor_parallel_size=2)[0]
    assert slots(spec, max_lora_rank=rank, lora_target_modules=("o_proj",))[0] <= whole
    assert slots(spec, max_lora_rank=rank, tensor_parallel_size=2, fully_sharded_loras=True)[0] <= halves <= whole


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("dbrx-instruct", {}, "not supported for LoRA"),
        ("gemma-3-1b-it", {"lora_target_modules": ("lm_head",)}, "vocab size must be <= 258048"),
        ("Qwen3-8B", {"max_lora_rank": 1, "tensor_parallel_size": 2, "fully_sharded_loras": True}, "cannot be divided"),
        (
            "Qwen3-30B-A3B",
            {"tensor_parallel_size": 2, "enable_expert_parallel": True, "fully_sharded_loras": True},
            "does not support enable_expert_parallel",
        ),
    ],
)
def test_what_vllm_refuses(name: str, given: dict[str, Any], words: str) -> None:
    """Classes without adapters, heads too wide for them and divisions that do not come out are refused."""
    refusal = weights(table_spec_of(MODELS[name]), EngineArgs(enable_lora=True, **given), H100)
    assert isinstance(refusal, Refusal)
    assert words in refusal.message


def test_what_is_not_followed() -> None:
    """Earlier releases, classes that were not measured and quantized experts have a reason instead of a figure."""
    newest = Version(0, 32, 0)
    assert unfollowed_adapters(True, newest, spec_of(QWEN)) is None
    assert unfollowed_adapters(False, Version(0, 10, 0), spec_of(QWEN)) is None
    assert unfollowed_adapters(True, Version(0, 28, 0), spec_of(QWEN)) is not None
    assert unfollowed_adapters(True, newest, table_spec_of(MODELS["pixtral-12b"])) is not None
    assert unfollowed_adapters(True, newest, table_spec_of(MODELS["gpt-oss-20b"])) is not None
    assert unfollowed_adapters(True, newest, table_spec_of(MODELS["dbrx-instruct"])) is None


@pytest.mark.parametrize("text", ["[1]", '{"q_proj": 1}', "[" * 5000, 3, True])
def test_targets_that_are_no_names(text: object) -> None:
    """Anything but a list of names is said not to be followed, however it is made."""
    assert target_modules(text) is None or text == "[" * 5000
    assert unfollowed_targets(text, Version(0, 32, 0), spec_of(QWEN)) is not None or text == "[" * 5000


def test_a_dtype_that_there_is_none_of_is_the_models() -> None:
    """A number format that vLLM does not take is for its parser to refuse; the places are sized all the same."""
    given = EngineArgs(max_loras=2, max_lora_rank=8, enable_lora=True, lora_dtype='{"a": 1}')
    assert slots_of(given, "bfloat16") == slots_of(replace(given, lora_dtype="auto"), "bfloat16")
