"""Which caches a model's layers keep, by what its ``config.json`` says and what its class reads of that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vram_engine.model.caches import (
    MLA,
    ChunkedLocal,
    CrossAttention,
    FullAttention,
    GatedDeltaNet,
    Indexer,
    KimiDeltaAttention,
    LayerCache,
    Mamba1,
    Mamba2,
    ShortConv,
    SlidingWindow,
    StateTensor,
    cache_layers,
)
from vram_engine.model.config import Config
from vram_engine.model.spec import Unavailable

SHAPE: dict[str, object] = {
    "num_hidden_layers": 6,
    "hidden_size": 512,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
ALL = (0, 1, 2, 3, 4, 5)
LATENT = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64}


def caches_of(architecture: str, **config: object) -> tuple[LayerCache, ...]:
    """The caches of a model of six small layers."""
    found = cache_layers(Config({"architectures": [architecture], **SHAPE, **config}))
    assert not isinstance(found, Unavailable), found.reason
    return found


def refusal(architecture: str, **config: object) -> str:
    """Why the caches of such a model are not known."""
    found = cache_layers(Config({"architectures": [architecture], **SHAPE, **config}))
    assert isinstance(found, Unavailable)
    return found.reason


def test_a_plain_decoder_keeps_every_token_in_every_layer() -> None:
    """Alike layers are one entry, with their indices."""
    assert caches_of("LlamaForCausalLM") == (FullAttention(ALL, 2, 32, 32),)


def test_the_head_size_is_derived_where_none_is_stated() -> None:
    """512 values shared by 8 heads, and as many KV heads as heads."""
    assert caches_of("LlamaForCausalLM", head_dim=None, num_key_value_heads=None) == (FullAttention(ALL, 8, 64, 64),)


@pytest.mark.parametrize("architecture", ["InternLM2ForCausalLM", "OlmoeForCausalLM", "GraniteMoeForCausalLM"])
def test_some_classes_ignore_a_stated_head_size(architecture: str) -> None:
    """They divide the hidden size whatever ``head_dim`` says."""
    assert caches_of(architecture) == (FullAttention(ALL, 2, 64, 64),)


def test_a_window_without_layer_types_holds_for_all_layers() -> None:
    """Mistral's way to say it; null switches it off."""
    assert caches_of("MistralForCausalLM", sliding_window=128) == (SlidingWindow(ALL, 2, 32, 32, 128),)
    assert caches_of("MistralForCausalLM", sliding_window=None) == (FullAttention(ALL, 2, 32, 32),)


def test_layer_types_say_which_layers_slide() -> None:
    """The kind that is met first comes first."""
    types = ["full_attention", "sliding_attention"] * 3
    assert caches_of("Olmo3ForCausalLM", sliding_window=64, layer_types=types) == (
        FullAttention((0, 2, 4), 2, 32, 32),
        SlidingWindow((1, 3, 5), 2, 32, 32, 64),
    )


def test_a_class_has_a_pattern_of_its_own_where_the_file_has_none() -> None:
    """Gemma 2 alternates, and Cohere attends to everything at every fourth layer, its window one token wider."""
    gemma = caches_of("Gemma2ForCausalLM", sliding_window=64)
    assert gemma == (SlidingWindow((0, 2, 4), 2, 32, 32, 64), FullAttention((1, 3, 5), 2, 32, 32))
    cohere = caches_of("Cohere2ForCausalLM", sliding_window=64)
    assert cohere == (SlidingWindow((0, 1, 2, 4, 5), 2, 32, 32, 65), FullAttention((3,), 2, 32, 32))


def test_gpt_oss_alternates_whatever_the_file_says() -> None:
    """Its class looks at the index of a layer alone."""
    kept = caches_of("GptOssForCausalLM", sliding_window=64, layer_types=["full_attention"] * 6)
    assert kept == (SlidingWindow((0, 2, 4), 2, 32, 32, 64), FullAttention((1, 3, 5), 2, 32, 32))


def test_a_window_of_qwen_is_off_unless_switched_on() -> None:
    """``use_sliding_window`` decides, and it must then hold for all layers."""
    assert caches_of("Qwen2ForCausalLM", sliding_window=64) == (FullAttention(ALL, 2, 64, 64),)
    on = caches_of("Qwen2ForCausalLM", sliding_window=64, use_sliding_window=True, max_window_layers=0)
    assert on == (SlidingWindow(ALL, 2, 64, 64, 64),)
    assert "refuses" in refusal("Qwen2ForCausalLM", sliding_window=64, use_sliding_window=True, max_window_layers=3)


def test_layers_that_read_another_layers_cache_keep_none() -> None:
    """Gemma 3n shares the caches of its last layers."""
    kept = caches_of("Gemma3nForCausalLM", sliding_window=64, num_kv_shared_layers=2)
    assert [cache.layers for cache in kept] == [(0, 1, 2, 3)]


def test_chunks_go_with_rotary_layers() -> None:
    """Llama 4 leaves every fourth layer without positions; those attend to everything."""
    kept = caches_of("Llama4ForCausalLM", attention_chunk_size=256)
    assert kept == (ChunkedLocal((0, 1, 2, 4, 5), 2, 32, 256), FullAttention((3,), 2, 32, 32))


def test_blocks_without_attention_keep_nothing() -> None:
    """DeciLM lists its blocks one by one."""
    blocks = [{"attention": {"n_heads_in_group": 4}}, {"attention": {"no_op": True, "n_heads_in_group": None}}]
    assert caches_of("DeciLMForCausalLM", block_configs=blocks * 3) == (FullAttention((0, 2, 4), 2, 32, 32),)


def test_latent_attention_caches_one_vector_per_token() -> None:
    """512 latent values and 64 rotated ones; a sparse form keeps the keys of its indexer as well."""
    dense = caches_of("DeepseekV3ForCausalLM", model_type="deepseek_v3", **LATENT)
    assert dense == (MLA(ALL, 576, 128, 64, False),)
    sparse = caches_of(
        "DeepseekV32ForCausalLM", model_type="deepseek_v32", index_topk=2048, index_head_dim=128, **LATENT
    )
    assert sparse == (Indexer(ALL, 132), MLA(ALL, 576, 128, 64, True))


def test_latent_attention_that_vllm_expands_is_cached_as_heads() -> None:
    """A ``model_type`` that vLLM does not know for MLA caches a full key per query head."""
    assert caches_of("DeepseekV2ForCausalLM", model_type="another", **LATENT) == (FullAttention(ALL, 8, 192, 192),)


def test_a_hybrid_keeps_states_where_it_does_not_attend() -> None:
    """Qwen3-Next attends at every fourth layer."""
    kept = caches_of("Qwen3NextForCausalLM")
    assert kept == (GatedDeltaNet((0, 1, 2, 4, 5), 16, 32, 128, 128, 4), FullAttention((3,), 2, 32, 32))


def test_a_layer_may_keep_two_caches() -> None:
    """Falcon-H1 has attention and Mamba 2 side by side."""
    kept = caches_of("FalconH1ForCausalLM", mamba_d_ssm=256, mamba_n_heads=8, mamba_d_head=32, mamba_d_state=16)
    assert kept == (FullAttention(ALL, 2, 32, 32), Mamba2(ALL, 256, 8, 32, 1, 16, 4))


def test_layers_of_experts_and_mlps_keep_nothing() -> None:
    """Nemotron-H marks them with E and -."""
    kept = caches_of(
        "NemotronHForCausalLM", hybrid_override_pattern="M*E-M*", mamba_num_heads=4, mamba_head_dim=8, n_groups=1
    )
    assert kept == (Mamba2((0, 4), 32, 4, 8, 1, 128, 4, "float32", 128), FullAttention((1, 5), 2, 32, 32))


def test_kimi_linear_counts_its_layers_from_one() -> None:
    """Layer 4 of the list is the one with index 3."""
    kda = {"kda_layers": [1, 2, 3, 5, 6], "num_heads": 4, "head_dim": 16, "short_conv_kernel_size": 4}
    kept = caches_of("KimiLinearForCausalLM", model_type="kimi_linear", linear_attn_config=kda, **LATENT)
    assert kept == (KimiDeltaAttention((0, 1, 2, 4, 5), 4, 16, 4), MLA((3,), 576, 128, 64, False))


def test_jamba_attends_once_per_period() -> None:
    """Every fourth layer from the second on."""
    kept = caches_of("JambaForCausalLM", attn_layer_period=4, attn_layer_offset=1)
    assert kept == (Mamba1((0, 2, 3, 4), 1024, 16, 4), FullAttention((1, 5), 2, 32, 32))


def test_lfm2_lists_its_attention_layers_by_index() -> None:
    """The others keep the tail of a short convolution."""
    kept = caches_of("Lfm2ForCausalLM", full_attn_idxs=[2, 5])
    assert kept == (ShortConv((0, 1, 3, 4), 512, 3), FullAttention((2, 5), 2, 32, 32))


def test_an_encoder_decoder_caches_the_encoders_output_too() -> None:
    """Whisper, whose encoder gives at most ``max_source_positions`` vectors."""
    kept = caches_of(
        "WhisperForConditionalGeneration",
        decoder_layers=2,
        d_model=384,
        decoder_attention_heads=6,
        max_source_positions=1500,
    )
    assert kept == (FullAttention((0, 1), 6, 64, 64), CrossAttention((0, 1), 6, 64, 1500))


def test_a_model_that_reads_all_at_once_keeps_nothing() -> None:
    """Encoders, and decoders whose config says that they are not causal."""
    assert caches_of("BertModel") == ()
    assert caches_of("Qwen2ForCausalLM", is_causal=False) == ()


@pytest.mark.parametrize("architecture", ["LlamaForSequenceClassification", "LlamaForRewardModeling", "LlamaModel"])
def test_a_pooling_name_is_read_as_the_decoder_it_converts(architecture: str) -> None:
    """vLLM turns a generating class into a pooling one by the suffix of the name."""
    assert caches_of(architecture) == (FullAttention(ALL, 2, 32, 32),)


def test_a_wrapper_keeps_what_its_language_model_keeps() -> None:
    """The class it always builds, or the one its section names; an older file is flat."""
    expected = (FullAttention(ALL, 2, 32, 32),)
    inner = {"architectures": ["MistralForCausalLM"], **SHAPE}
    wrapped = {"architectures": ["LlavaForConditionalGeneration"], "text_config": inner}
    assert cache_layers(Config(wrapped)) == expected
    typed = {"architectures": ["LlavaForConditionalGeneration"], "text_config": {"model_type": "llama", **SHAPE}}
    assert cache_layers(Config(typed)) == expected
    assert caches_of("Qwen2_5_VLForConditionalGeneration") == (FullAttention(ALL, 2, 64, 64),)


def test_the_first_known_architecture_counts() -> None:
    """A file may name several, as vLLM's registry allows."""
    config = {**SHAPE, "architectures": ["NobodyKnowsForCausalLM", "LlamaForCausalLM"]}
    assert cache_layers(Config(config)) == (FullAttention(ALL, 2, 32, 32),)


def test_what_is_not_derived_is_said_to_be_unknown() -> None:
    """An architecture, a language model inside a wrapper, a file without any."""
    assert "NobodyKnowsForCausalLM" in refusal("NobodyKnowsForCausalLM")
    assert "unheard_of" in refusal("LlavaForConditionalGeneration", text_config={"model_type": "unheard_of"})
    assert isinstance(cache_layers(Config({})), Unavailable)


@pytest.mark.parametrize(
    ("architecture", "config", "named"),
    [
        ("LlamaForCausalLM", {"num_hidden_layers": None}, "num_hidden_layers"),
        ("LlamaForCausalLM", {"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ("LlamaForCausalLM", {"num_attention_heads": 0, "head_dim": None}, "attention heads"),
        ("LlamaForCausalLM", {"num_key_value_heads": -1}, "num_key_value_heads"),
        ("LlamaForCausalLM", {"head_dim": "wide"}, "head_dim"),
        ("Olmo3ForCausalLM", {"layer_types": ["full_attention"]}, "layer_types"),
        ("Olmo3ForCausalLM", {"layer_types": [None] * 6}, "layer_types"),
        ("DeepseekV3ForCausalLM", {"model_type": "deepseek_v3", "qk_rope_head_dim": [64]}, "qk_rope_head_dim"),
        ("MiMoV2FlashForCausalLM", {"hybrid_layer_pattern": [0, 1]}, "hybrid_layer_pattern"),
        ("NemotronHForCausalLM", {"hybrid_override_pattern": "M*"}, "mamba_num_heads"),
        ("FalconH1ForCausalLM", {"mamba_n_heads": 2.5}, "mamba_n_heads"),
    ],
)
def test_a_value_that_is_missing_or_impossible_is_named(
    architecture: str, config: dict[str, object], named: str
) -> None:
    """The reason says which key of the file to look at."""
    assert named in refusal(architecture, **config)


ARCHITECTURES = (
    "LlamaForCausalLM",
    "Gemma3ForCausalLM",
    "Gemma4ForConditionalGeneration",
    "Llama4ForCausalLM",
    "MiMoV2FlashForCausalLM",
    "DeciLMForCausalLM",
    "DeepseekV3ForCausalLM",
    "DeepseekV4ForCausalLM",
    "KimiLinearForCausalLM",
    "NemotronHForCausalLM",
    "Zamba2ForCausalLM",
    "Lfm2ForCausalLM",
    "WhisperForConditionalGeneration",
    "LlavaForConditionalGeneration",
)
KEYS = (
    *SHAPE,
    *LATENT,
    "model_type",
    "text_config",
    "layer_types",
    "layers_block_type",
    "sliding_window",
    "hybrid_layer_pattern",
    "hybrid_override_pattern",
    "compress_ratios",
    "block_configs",
    "linear_attn_config",
    "attention_chunk_size",
    "no_rope_layers",
    "num_kv_shared_layers",
    "full_attn_idxs",
)
hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ARCHITECTURES), st.dictionaries(st.sampled_from(KEYS), hostile, max_size=6))
def test_no_config_raises(architecture: str, config: dict[str, object]) -> None:
    """Whatever a file holds, there are caches or a reason."""
    found = cache_layers(Config({"architectures": [architecture], **SHAPE, **config}))
    assert isinstance(found, tuple | Unavailable)


def test_states_are_shared_out_over_ranks() -> None:
    """Mamba 2 with 8 heads of 16, 2 groups of 32 and a kernel of 4: (128 + 2 x 2 x 32) x 3 values, and 8 x 16 x 32."""
    mamba = Mamba2((0,), 128, 8, 16, 2, 32, 4)
    assert mamba.state(1) == (StateTensor(768, None), StateTensor(4096, None))
    assert mamba.state(2) == (StateTensor(384, None), StateTensor(2048, None))
    assert mamba.divides(2)
    assert not mamba.divides(3)


def test_one_group_is_copied_to_each_rank() -> None:
    """A single group cannot be divided, so that each of two ranks has one: (128 / 2 + 2 x 32) x 3 values."""
    mamba = Mamba2((0,), 128, 8, 16, 1, 32, 4)
    assert mamba.state(2)[0] == StateTensor(384, None)
    assert mamba.divides(2)


def test_delta_attention_of_kimi_is_kept_in_float32() -> None:
    """Three convolutions of 4 x 16 channels, and a square per head."""
    assert KimiDeltaAttention((0,), 4, 16, 4).state(2) == (StateTensor(288, None), StateTensor(512, "float32"))
