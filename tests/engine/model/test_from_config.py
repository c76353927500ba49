"""What from_config makes of a config: shapes, experts, runner, quantization, and reasons where it cannot."""

from __future__ import annotations

import pytest

from vram_engine.model import from_config
from vram_engine.model.spec import ModelSpec, Unavailable

LLAMA: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}


def spec_of(config: dict[str, object], **options: object) -> ModelSpec:
    """The spec of a config that must be understood."""
    spec = from_config(config, **options)  # type: ignore[arg-type]
    assert isinstance(spec, ModelSpec), spec
    return spec


def reason_of(config: dict[str, object]) -> str:
    """Why a config is not understood."""
    spec = from_config(config)
    assert isinstance(spec, Unavailable)
    return spec.reason


def test_dense_decoder() -> None:
    """Llama 3.1 8B has the shapes of its config and 8.03 billion parameters."""
    spec = spec_of(LLAMA)
    assert (spec.num_layers, spec.hidden_size, spec.head_dim, spec.num_key_value_heads) == (32, 4096, 128, 8)
    assert (spec.dtype, spec.runner, spec.experts, spec.quantization) == ("bfloat16", "generate", None, None)
    assert spec.parameters == 8_030_261_248


def test_experts_are_summed_up() -> None:
    """Mixtral 8x7B has 8 experts on each of its 32 layers, and 46.7 billion parameters."""
    spec = spec_of(
        LLAMA
        | {
            "architectures": ["MixtralForCausalLM"],
            "model_type": "mixtral",
            "num_local_experts": 8,
            "num_experts_per_tok": 2,
            "vocab_size": 32000,
        }
    )
    assert spec.experts is not None
    assert (spec.experts.num, spec.experts.per_token, spec.experts.width, spec.experts.layers) == (8, 2, 14336, 32)
    assert spec.parameters == 46_702_792_704


def test_unknown_architecture_is_named() -> None:
    """An architecture that is not derived is Unavailable by its name."""
    assert "FrobnicateForCausalLM" in reason_of(LLAMA | {"architectures": ["FrobnicateForCausalLM"]})


def test_config_without_architecture_is_unavailable() -> None:
    """A config that names no architecture cannot be sized."""
    assert "architecture" in reason_of({key: value for key, value in LLAMA.items() if key != "architectures"})


def test_first_known_architecture_counts() -> None:
    """Of several architectures the first that is known is taken, as vLLM does."""
    spec = spec_of(LLAMA | {"architectures": ["FrobnicateForCausalLM", "LlamaForCausalLM"]})
    assert spec.architecture == "LlamaForCausalLM"


def test_missing_size_is_named() -> None:
    """A size that neither the file nor transformers gives is named in the reason."""
    broken = {key: value for key, value in LLAMA.items() if key not in {"hidden_size", "model_type"}}
    assert "hidden_size" in reason_of(broken)


def test_modules_json_makes_a_pooling_model() -> None:
    """A checkpoint with a modules.json beside it is served for pooling and has no output head."""
    generating, pooling = spec_of(LLAMA), spec_of(LLAMA, pooling=True)
    assert (generating.runner, pooling.runner) == ("generate", "pooling")
    assert generating.parameters - pooling.parameters == 128256 * 4096


def test_classifier_is_its_decoder_with_a_score() -> None:
    """A sequence classifier of a decoder is that decoder without its head, and one score a label."""
    spec = spec_of(LLAMA | {"architectures": ["LlamaForSequenceClassification"], "id2label": {"0": "no", "1": "yes"}})
    assert spec.runner == "pooling"
    assert spec.parameters == spec_of(LLAMA, pooling=True).parameters + 2 * 4096


def test_language_model_below_a_tower() -> None:
    """Sizes of a multimodal model are those of its language model, and it has a tower."""
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
    }
    text = {key: value for key, value in LLAMA.items() if key != "architectures"}
    spec = spec_of(
        {
            "architectures": ["LlavaForConditionalGeneration"],
            "model_type": "llava",
            "vision_feature_layer": -2,
            "text_config": text,
            "vision_config": vision,
        }
    )
    assert (spec.hidden_size, spec.num_layers, spec.tower) == (4096, 32, True)
    tower = [block for block in spec.modules if block.prefix.startswith("vision_tower.vision_model.encoder")]
    assert len(tower[0].layers) == 23


def test_quantization_of_the_checkpoint() -> None:
    """AWQ's bits, group size and zero points are read from quantization_config."""
    section = {"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True}
    quantization = spec_of(LLAMA | {"quantization_config": section}).quantization
    assert quantization is not None
    assert (quantization.method, quantization.bits, quantization.group_size, quantization.symmetric) == (
        "awq",
        4,
        64,
        False,
    )


def test_quantization_beside_the_config() -> None:
    """ModelOpt's hf_quant_config.json counts where config.json says nothing."""
    beside = {
        "producer": {"name": "modelopt", "version": "0.29.0"},
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]},
    }
    quantization = spec_of(LLAMA, quant_config=beside).quantization
    assert quantization is not None
    assert (quantization.method, quantization.bits, quantization.kv_cache) == ("modelopt", 8, "FP8")


def test_unknown_quantization_is_named() -> None:
    """A method nobody knows makes the model unavailable, by its name."""
    assert "frobq" in reason_of(LLAMA | {"quantization_config": {"quant_method": "frobq"}})


@pytest.mark.parametrize(
    ("section", "missing"),
    [
        ({"quant_method": "awq", "bits": 4, "zero_point": True}, "group_size"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "zero_point"),
        ({"quant_method": "gptq", "bits": 4, "sym": True}, "group_size"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "sym"),
        ({"quant_method": "gptq", "bits": 5, "group_size": 128, "sym": True}, "bits"),
        ({"quant_method": "fp8"}, "activation_scheme"),
        ({"quant_method": "compressed-tensors"}, "config_groups"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 32}, "groups of other than 16"),
        ({"quant_method": ["awq"]}, "quant_method"),
        ("awq", "quantization_config"),
    ],
)
def test_partial_quantization_is_not_guessed(section: object, missing: str) -> None:
    """What vLLM requires of a method is required, and named where it is not there."""
    assert missing in reason_of(LLAMA | {"quantization_config": section})


@pytest.mark.parametrize("group", [{}, {"strategy": "group"}, {"strategy": "group", "group_size": 0}])
def test_groups_without_a_size_are_not_guessed(group: dict) -> None:
    """Packed integers have a scale for each row or each group, whose size is needed."""
    section = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int"} | group}},
    }
    assert "group_size" in reason_of(LLAMA | {"quantization_config": section})


@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"producer": {"name": "somebody"}, "quantization": {"quant_algo": "FP8"}},
        {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP7"}},
        {"producer": {"name": "modelopt"}, "quantization": []},
        {"producer": "modelopt"},
        {
            "producer": {"name": "modelopt"},
            "quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": {"quant_algo": "FP7"}}},
        },
    ],
)
def test_a_quantization_file_that_is_not_understood_is_no_plain_checkpoint(beside: dict) -> None:
    """A hf_quant_config.json that says nothing known makes the model unavailable."""
    assert isinstance(from_config(LLAMA, quant_config=beside), Unavailable)


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "vocab_size", "num_attention_heads"])
@pytest.mark.parametrize("value", [-1, 2**41, "many", [], {}, 1.5])
def test_impossible_sizes_are_unavailable(key: str, value: object) -> None:
    """A size that cannot be true makes the model unavailable and names the key."""
    assert key in reason_of(LLAMA | {key: value})
