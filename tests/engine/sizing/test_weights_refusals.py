"""What vLLM refuses about a model's weights comes back as a value with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from vram_engine.facts.versions import Version
from vram_engine.model import from_config
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.parallelism import Refusal, pipeline_stages
from vram_engine.sizing.weights import allocated_bytes, weights

H100 = (9, 0)
QWEN: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "torch_dtype": "bfloat16",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
MIXTURE: dict[str, Any] = QWEN | {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "head_dim": 128,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 768,
    "tie_word_embeddings": False,
}


def spec_of(config: dict[str, Any]) -> ModelSpec:
    """The spec of a config that must be understood."""
    spec = from_config(config)
    assert isinstance(spec, ModelSpec), spec
    return spec


def message(config: dict[str, Any], **args: Any) -> str:
    """The refusal of these arguments."""
    refusal = weights(spec_of(config), EngineArgs(**args), H100)
    assert isinstance(refusal, Refusal), refusal
    return refusal.message


def test_heads_must_divide() -> None:
    """14 attention heads cannot be divided over 4 ranks, in vLLM's own words."""
    assert message(QWEN, tensor_parallel_size=4) == (
        "Total number of attention heads (14) must be divisible by tensor parallel size (4)."
    )


def test_expert_parallelism_needs_experts() -> None:
    """A dense model cannot be served with expert parallelism."""
    assert "experts" in message(QWEN, enable_expert_parallel=True)


def test_more_stages_than_layers() -> None:
    """24 layers cannot be cut into 32 stages."""
    assert "24 layers" in message(QWEN, pipeline_parallel_size=32)


def test_classes_without_pipeline_parallelism() -> None:
    """An embedding encoder cannot be cut into stages."""
    bert = QWEN | {"architectures": ["BertModel"], "model_type": "bert", "num_attention_heads": 14}
    assert "Pipeline parallelism" in message(bert, pipeline_parallel_size=2)


def test_checkpoint_decides_the_method() -> None:
    """A quantization asked for must be the checkpoint's own."""
    awq = QWEN | {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}}
    assert "does not match" in message(awq, quantization="gptq")


@pytest.mark.parametrize(("version", "unknown"), [(Version(0, 26, 0), False), (Version(0, 28, 0), True)])
def test_methods_end_with_a_version(version: Version, unknown: bool) -> None:
    """bitsandbytes is a method up to 0.27; from 0.28 on only a plug-in brings it, whose bytes are not known."""
    found = weights(spec_of(QWEN), EngineArgs(vllm_version=version, quantization="bitsandbytes"), H100)
    assert isinstance(found, Unavailable) == unknown


def test_groups_may_not_be_cut() -> None:
    """A rank's columns must be whole quantization groups: 4864 / 2 = 2432 is no multiple of 896."""
    gptq = QWEN | {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 896, "sym": True}}
    assert "group size 896" in message(gptq, tensor_parallel_size=2)


def test_activation_order_is_gone() -> None:
    """GPTQ in activation order is refused by 0.32."""
    gptq = {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "desc_act": True}
    assert "desc_act" in message(QWEN | {"quantization_config": gptq})


def test_layers_left_over_go_before_the_last_stage() -> None:
    """61 layers over 4 stages are 15, 15, 16 and 15."""
    assert [end - start for start, end in pipeline_stages(61, 4)] == [15, 15, 16, 15]


def test_expert_parallelism_keeps_experts_whole() -> None:
    """With and without it a rank holds the same bytes of 128 experts over 4 ranks, and a quarter over TP x DP."""
    spec = spec_of(MIXTURE)

    def experts(**args: Any) -> int:
        stages = weights(spec, EngineArgs(**args), H100)
        assert isinstance(stages, tuple)
        return next(part.bytes for part in stages[0].parts if part.name == "experts")

    everything = 24 * 128 * 3 * 768 * 2048 * 2
    assert experts() == everything
    assert experts(tensor_parallel_size=4) == everything // 4
    assert experts(tensor_parallel_size=4, enable_expert_parallel=True) == everything // 4
    assert experts(tensor_parallel_size=2, data_parallel_size=4, enable_expert_parallel=True) == everything // 8


def test_tied_table_is_held_twice_under_pipeline_parallelism() -> None:
    """The last of several stages keeps the input table again, for the output head."""
    stages = weights(spec_of(QWEN), EngineArgs(pipeline_parallel_size=2), H100)
    assert isinstance(stages, tuple)
    table = 151936 * 896 * 2
    assert [part.bytes for stage in stages for part in stage.parts if part.name == "embedding"] == [table, table]


def test_language_model_only_leaves_the_tower_out() -> None:
    """Without its tower a multimodal model weighs what its language model does."""
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 2,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
    }
    text = {key: value for key, value in QWEN.items() if key != "architectures"}
    spec = spec_of(
        {
            "architectures": ["LlavaForConditionalGeneration"],
            "model_type": "llava",
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "text_config": text,
            "vision_config": vision,
        }
    )
    alone = weights(spec, EngineArgs(language_model_only=True), H100)
    language = weights(spec_of(QWEN), EngineArgs(), H100)
    assert isinstance(alone, tuple)
    assert isinstance(language, tuple)
    assert allocated_bytes(alone[0]) == allocated_bytes(language[0])
