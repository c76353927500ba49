"""Which caches the layers of a model keep, read from its ``config.json`` by architecture class.

The table mirrors vLLM's registry (vllm/model_executor/models/registry.py): each class is told by how its attention
reads the config, never by the name of a model. What is not listed has not been derived. A table, hence its length.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.model.caches_attention import (
    Builder,
    after_the_first,
    all_full,
    all_or_none,
    alternating,
    block_configs,
    cohere2_moe_types,
    encoder_decoder,
    encoder_only,
    every_nth_full,
    every_nth_full_from_first,
    exaone_moe,
    falcon,
    gemma4,
    interleaved,
    llama4,
    mimo_v2,
    no_window,
    shared_tail,
    stated_types,
    step3p5,
    switched_window,
    two_sided_window,
    uniform,
    wider_window,
)
from vram_engine.model.caches_heads import (
    chatglm_heads,
    derived_heads,
    every_head,
    multi_query_heads,
    nested_kv_heads,
    one_kv_head,
)
from vram_engine.model.caches_kinds import (
    MLA,
    BlockIndexer,
    ChunkedLocal,
    CompressedIndexer,
    CompressedMLA,
    CompressorState,
    CrossAttention,
    FullAttention,
    GatedDeltaNet,
    Indexer,
    KimiDeltaAttention,
    LayerCache,
    LinearAttention,
    Mamba,
    Mamba1,
    Mamba2,
    ShortConv,
    SlidingWindow,
    StateTensor,
    WindowedMLA,
)
from vram_engine.model.caches_latent import all_latent, deepseek, deepseek_v4, longcat, low_rank, sparse_latent
from vram_engine.model.caches_state import (
    all_states,
    bailing_delta,
    bailing_linear,
    bamba,
    bamba_state,
    every_fourth,
    falcon_h1,
    gated_delta,
    jamba,
    kimi_linear,
    mamba1,
    mamba2,
    minimax_linear,
    mixed,
    nemotron_h,
    olmo_delta,
    pure,
    short_conv,
    short_conv_types,
    zamba2,
)
from vram_engine.model.config import Config, ConfigError, readable
from vram_engine.model.minimax_m3 import minimax_m3_caches
from vram_engine.model.spec import Unavailable

__all__ = [
    "MLA",
    "BlockIndexer",
    "ChunkedLocal",
    "CompressedIndexer",
    "CompressedMLA",
    "CompressorState",
    "CrossAttention",
    "FullAttention",
    "GatedDeltaNet",
    "Indexer",
    "KimiDeltaAttention",
    "LayerCache",
    "LinearAttention",
    "Mamba",
    "Mamba1",
    "Mamba2",
    "ShortConv",
    "SlidingWindow",
    "StateTensor",
    "WindowedMLA",
    "cache_layers",
]

PLAIN = uniform()
DERIVED = uniform(derived_heads)
QWEN_DERIVED = all_or_none(after_the_first, derived_heads, switched_window)
QWEN = all_or_none(after_the_first, span=switched_window)

GEMMA3 = interleaved(every_nth_full(("sliding_window_pattern",), 6), span=two_sided_window)


def text_encoder(config: Config) -> tuple[LayerCache, ...]:
    """Gemma 3 as an embedding model: it keeps nothing where its config makes it look both ways."""
    wide = config.raw("use_bidirectional_attention")
    return () if wide is not None and wide[1] is True else GEMMA3(config)


def minicpm_v(config: Config) -> tuple[LayerCache, ...]:
    """MiniCPM-V: the config is that of its language model; only the Qwen ones may have a window."""
    version = config.raw("version")
    qwen = version is not None and str(version[1])[:8] in {"2.6", "4.5"}
    return (QWEN if qwen else PLAIN)(config)


_DECODERS: Mapping[Builder, tuple[str, ...]] = {
    PLAIN: (
        "ApertusForCausalLM",
        "ArceeForCausalLM",
        "BailingMoeForCausalLM",
        "BailingMoeV2ForCausalLM",
        "CohereForCausalLM",
        "Ernie4_5ForCausalLM",
        "Ernie4_5_MoeForCausalLM",
        "ExaoneForCausalLM",
        "FlexOlmoForCausalLM",
        "GemmaForCausalLM",
        "GlmForCausalLM",
        "Glm4ForCausalLM",
        "Glm4MoeForCausalLM",
        "GraniteForCausalLM",
        "GPTNeoXForCausalLM",
        "HunYuanDenseV1ForCausalLM",
        "HunYuanMoEV1ForCausalLM",
        "HYV3ForCausalLM",
        "HyperCLOVAXForCausalLM",
        "IQuestCoderForCausalLM",
        "InternLM3ForCausalLM",
        "Jais2ForCausalLM",
        "LLaMAForCausalLM",
        "LlamaForCausalLM",
        "LlamaForCausalLMEagle3",
        "Eagle3LlamaForCausalLM",
        "EagleLlamaForCausalLM",
        "LlamaModel",
        "MiniMaxM2ForCausalLM",
        "MistralForCausalLM",
        "MistralModel",
        "Ministral3ForCausalLM",
        "MixtralForCausalLM",
        "NemotronForCausalLM",
        "OlmoForCausalLM",
        "Olmo2ForCausalLM",
        "Param2MoEForCausalLM",
        "PhiForCausalLM",
        "Phi3ForCausalLM",
        "PhiMoEForCausalLM",
        "SarvamMoEForCausalLM",
        "SeedOssForCausalLM",
        "SolarForCausalLM",
        "Starcoder2ForCausalLM",
        "PanguEmbeddedForCausalLM",
        "TeleChat3ForCausalLM",
        "TeleFLMForCausalLM",
    ),
    DERIVED: (
        "AquilaForCausalLM",
        "AquilaModel",
        "ArcticForCausalLM",
        "GraniteMoeForCausalLM",
        "GraniteMoeSharedForCausalLM",
        "InternLM2ForCausalLM",
        "MiniCPMForCausalLM",
        "MolmoForCausalLM",
        "OlmoeForCausalLM",
        "OrionForCausalLM",
        "StableLmForCausalLM",
        "StableLMEpochForCausalLM",
        "Step1ForCausalLM",
        "TeleChat2ForCausalLM",
        "XverseForCausalLM",
    ),
    uniform(every_head): (
        "BaiChuanForCausalLM",
        "BaichuanForCausalLM",
        "BloomForCausalLM",
        "GPT2LMHeadModel",
        "GPTJForCausalLM",
        "InternLMForCausalLM",
        "OPTForCausalLM",
        "PersimmonForCausalLM",
    ),
    falcon: ("FalconForCausalLM", "RWForCausalLM"),
    uniform(multi_query_heads): ("GPTBigCodeForCausalLM",),
    uniform(chatglm_heads): ("ChatGLMModel", "ChatGLMForConditionalGeneration"),
    uniform(nested_kv_heads): ("DbrxForCausalLM", "MPTForCausalLM", "MptForCausalLM"),
    uniform(one_kv_head): ("Step3TextForCausalLM",),
    QWEN_DERIVED: (
        "MiMoForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen2ForProcessRewardModel",
        "Qwen2ForRewardModel",
        "Qwen2Model",
    ),
    all_or_none(stated_types, derived_heads, switched_window): ("Qwen2MoeForCausalLM",),
    QWEN: ("Qwen3ForCausalLM", "Qwen3Model"),
    all_or_none(stated_types, span=switched_window): ("Qwen3MoeForCausalLM",),
    interleaved(every_nth_full((), 2)): ("Gemma2ForCausalLM", "Gemma2Model", "VaultGemmaForCausalLM"),
    GEMMA3: ("Gemma3ForCausalLM",),
    interleaved(every_nth_full(("sliding_window_pattern",), 4), span=wider_window): ("Cohere2ForCausalLM",),
    interleaved(cohere2_moe_types, span=wider_window): ("Cohere2MoeForCausalLM",),
    interleaved(every_nth_full_from_first(4)): ("CwmForCausalLM", "GraniteSWAForCausalLM"),
    interleaved(every_nth_full_from_first(4), derived_heads): ("GraniteMoeSWAForCausalLM",),
    interleaved(all_full): ("LagunaForCausalLM", "MellumForCausalLM"),
    uniform(span=switched_window): ("SmolLM3ForCausalLM",),
    uniform(span=no_window): ("Dots1ForCausalLM",),
    interleaved(every_nth_full(("sliding_window_pattern",), 4)): ("Exaone4ForCausalLM",),
    interleaved(every_nth_full((), 4)): ("Olmo3ForCausalLM",),
    interleaved(every_nth_full(("global_attn_every_n_layers",), 4)): ("AfmoeForCausalLM",),
    alternating: ("GptOssForCausalLM",),
    exaone_moe: ("ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM"),
    shared_tail(every_nth_full((), 5)): ("Gemma3nForCausalLM",),
    gemma4: ("Gemma4ForCausalLM",),
    mimo_v2: ("MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM"),
    llama4: ("Llama4ForCausalLM",),
    step3p5: ("Step3p5ForCausalLM",),
    block_configs: ("DeciLMForCausalLM",),
    deepseek: (
        "AXK1ForCausalLM",
        "DeepseekForCausalLM",
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "Glm4MoeLiteForCausalLM",
        "MistralLarge3ForCausalLM",
    ),
    all_latent: ("PanguUltraMoEForCausalLM", "SarvamMLAForCausalLM"),
    sparse_latent: ("DeepseekV32ForCausalLM", "GlmMoeDsaForCausalLM"),
    deepseek_v4: ("DeepseekV4ForCausalLM",),
    longcat: ("LongcatFlashForCausalLM",),
    low_rank: ("MiniCPM3ForCausalLM",),
    jamba: ("JambaForCausalLM",),
    bamba: ("BambaForCausalLM",),
    falcon_h1: ("FalconH1ForCausalLM",),
    nemotron_h: ("NemotronHForCausalLM",),
    zamba2: ("Zamba2ForCausalLM",),
    mixed(bamba_state, all_states): ("GraniteMoeHybridForCausalLM",),
    mixed(gated_delta(), every_fourth): ("Qwen3NextForCausalLM",),
    mixed(gated_delta("mamba_ssm_dtype"), every_fourth): ("Qwen3_5ForCausalLM", "Qwen3_5MoeForCausalLM"),
    mixed(olmo_delta, every_fourth): ("OlmoHybridForCausalLM",),
    mixed(short_conv, short_conv_types): ("Lfm2ForCausalLM", "Lfm2MoeForCausalLM"),
    kimi_linear: ("KimiLinearForCausalLM",),
    bailing_linear: ("BailingMoeV2_5ForCausalLM",),
    bailing_delta: ("BailingMoeV3ForCausalLM",),
    minimax_m3_caches: ("MiniMaxM3SparseForCausalLM",),
    minimax_linear: ("MiniMaxText01ForCausalLM", "MiniMaxM1ForCausalLM"),
    pure(mamba1): ("MambaForCausalLM", "FalconMambaForCausalLM"),
    pure(mamba2): ("Mamba2ForCausalLM",),
    minicpm_v: ("MiniCPMV", "MiniCPMO"),
    text_encoder: ("Gemma3TextModel",),
    encoder_decoder: ("WhisperForConditionalGeneration",),
    encoder_only: (
        "BertModel",
        "BertForMaskedLM",
        "BertForSequenceClassification",
        "BertForTokenClassification",
        "BertSpladeSparseEmbeddingModel",
        "BgeM3EmbeddingModel",
        "GteModel",
        "GteNewModel",
        "GteNewForSequenceClassification",
        "LlamaBidirectionalModel",
        "LlamaBidirectionalForSequenceClassification",
        "ModernBertModel",
        "ModernBertForSequenceClassification",
        "ModernBertForTokenClassification",
        "NomicBertModel",
        "RobertaModel",
        "RobertaForMaskedLM",
        "RobertaForSequenceClassification",
        "RobertaForTokenClassification",
        "XLMRobertaModel",
        "XLMRobertaForSequenceClassification",
        "XLMRobertaForTokenClassification",
    ),
}

DECODERS: Mapping[str, Builder] = MappingProxyType(
    {name: builder for builder, names in _DECODERS.items() for name in names}
)

# A wrapper around a language model: where its config is, and the class it is built with; empty: as its own
# ``architectures`` or ``model_type`` say.
_WRAPPERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("text_config", ""): (
        "AyaVisionForConditionalGeneration",
        "Cohere2VisionForConditionalGeneration",
        "Eagle2_5_VLForConditionalGeneration",
        "GraniteSpeechForConditionalGeneration",
        "Idefics3ForConditionalGeneration",
        "InternS1ForConditionalGeneration",
        "InternVLForConditionalGeneration",
        "Lfm2VlForConditionalGeneration",
        "LlavaForConditionalGeneration",
        "LlavaNextForConditionalGeneration",
        "LlavaNextVideoForConditionalGeneration",
        "LlavaOnevisionForConditionalGeneration",
        "Mistral3ForConditionalGeneration",
        "PaliGemmaForConditionalGeneration",
        "PixtralForConditionalGeneration",
        "SmolVLMForConditionalGeneration",
        "UltravoxModel",
        "VoxtralForConditionalGeneration",
    ),
    ("text_config", "Gemma3ForCausalLM"): ("Gemma3ForConditionalGeneration",),
    ("text_config", "Gemma3nForCausalLM"): ("Gemma3nForConditionalGeneration",),
    ("text_config", "Gemma4ForCausalLM"): (
        "Gemma4ForConditionalGeneration",
        "Gemma4UnifiedForConditionalGeneration",
    ),
    ("text_config", "Llama4ForCausalLM"): ("Llama4ForConditionalGeneration",),
    ("text_config", "DeepseekV2ForCausalLM"): ("KimiVLForConditionalGeneration", "KimiK25ForConditionalGeneration"),
    ("text_config", "KimiLinearForCausalLM"): ("KimiK3ForConditionalGeneration",),
    ("text_config", "MiniMaxM3SparseForCausalLM"): ("MiniMaxM3SparseForConditionalGeneration",),
    ("text_config", "Exaone4ForCausalLM"): ("Exaone4_5_ForConditionalGeneration",),
    ("language_config", ""): ("DeepseekVLV2ForCausalLM", "DeepseekOCRForCausalLM"),
    ("text_config", "LlamaForCausalLM"): (
        "AriaForConditionalGeneration",
        "Molmo2ForConditionalGeneration",
        "GlmAsrForConditionalGeneration",
        "KananaVForConditionalGeneration",
    ),
    ("text_config", "Qwen2ForCausalLM"): (
        "AudioFlamingo3ForConditionalGeneration",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen2AudioForConditionalGeneration",
    ),
    ("text_config", "Qwen3ForCausalLM"): ("LightOnOCRForConditionalGeneration", "Qwen3VLForConditionalGeneration"),
    ("", "Qwen3ForCausalLM"): ("KeyeForConditionalGeneration", "KeyeVL1_5ForConditionalGeneration"),
    ("text_config", "Qwen3MoeForCausalLM"): ("Qwen3VLMoeForConditionalGeneration",),
    ("text_config", "Qwen3_5ForCausalLM"): (
        "Qwen3_5ForConditionalGeneration",
        "Qwen3_5MoeForConditionalGeneration",
    ),
    ("text_config", "Glm4ForCausalLM"): ("Glm4vForConditionalGeneration", "GlmOcrForConditionalGeneration"),
    ("text_config", "Glm4MoeForCausalLM"): ("Glm4vMoeForConditionalGeneration",),
    ("text_config", "Step3TextForCausalLM"): ("Step3VLForConditionalGeneration",),
    ("text_config", "NemotronHForCausalLM"): ("NemotronH_Nano_VL_V2",),
    ("llm_config", ""): ("InternVLChatModel", "NVLM_D", "SkyworkR1VChatModel", "H2OVLChatModel"),
    ("thinker_config.text_config", "Qwen2ForCausalLM"): ("Qwen2_5OmniModel", "Qwen2_5OmniForConditionalGeneration"),
    ("thinker_config.text_config", "Qwen3MoeForCausalLM"): ("Qwen3OmniMoeForConditionalGeneration",),
    ("thinker_config.text_config", "Qwen3ForCausalLM"): ("Qwen3ASRForConditionalGeneration",),
    ("", "LlamaForCausalLM"): ("Phi3VForCausalLM", "Phi4MMForCausalLM"),
    ("", "Qwen2ForCausalLM"): ("DotsOCRForCausalLM",),
    ("text_config", "Ernie4_5ForCausalLM"): (
        "PaddleOCRVLForConditionalGeneration",
        "Ernie4_5_VLMoeForConditionalGeneration",
    ),
}

WRAPPERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {name: inside for inside, names in _WRAPPERS.items() for name in names}
)

# The class of a language model that names none: AutoModelForCausalLM's choice for its ``model_type``.
CAUSAL_MODEL_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "cohere": "CohereForCausalLM",
        "cohere2": "Cohere2ForCausalLM",
        "deepseek_v2": "DeepseekV2ForCausalLM",
        "deepseek_v3": "DeepseekV3ForCausalLM",
        "gemma": "GemmaForCausalLM",
        "gemma2": "Gemma2ForCausalLM",
        "gemma3_text": "Gemma3ForCausalLM",
        "gpt_oss": "GptOssForCausalLM",
        "granite": "GraniteForCausalLM",
        "granitemoehybrid": "GraniteMoeHybridForCausalLM",
        "internlm2": "InternLM2ForCausalLM",
        "lfm2": "Lfm2ForCausalLM",
        "lfm2_moe": "Lfm2MoeForCausalLM",
        "llama": "LlamaForCausalLM",
        "ministral3": "Ministral3ForCausalLM",
        "mistral": "MistralForCausalLM",
        "mixtral": "MixtralForCausalLM",
        "nemotron_h": "NemotronHForCausalLM",
        "opt": "OPTForCausalLM",
        "phi3": "Phi3ForCausalLM",
        "qwen2": "Qwen2ForCausalLM",
        "qwen2_moe": "Qwen2MoeForCausalLM",
        "qwen3": "Qwen3ForCausalLM",
        "qwen3_moe": "Qwen3MoeForCausalLM",
    }
)

# vLLM reads "XForSequenceClassification" and its like as "XForCausalLM" (vllm/config/model.py, _SUFFIX_TO_DEFAULTS).
POOLING_SUFFIXES = (
    "ForTextEncoding",
    "EmbeddingModel",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ClassificationModel",
    "ForRewardModeling",
    "RewardModel",
    "Model",
)
GENERATING_SUFFIXES = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")


@readable
def cache_layers(config: Config) -> tuple[LayerCache, ...] | Unavailable:
    """The caches of a model's layers in the order they are met; empty for a model that keeps none.

    ``Unavailable`` names an architecture that has not been derived, or the value that is missing or impossible.
    """
    names = config.texts("architectures")
    if not names:
        return Unavailable("config.json names no architecture")
    known = next((found for name in names if (found := known_architecture(name))), None)
    if known is None:
        return Unavailable(f"the KV cache of the architecture {names[0][:60]} is not known")
    return _language_caches(config, known)


def known_architecture(name: str) -> str | None:
    """The architecture as listed here, a pooling name read as the decoder it converts; ``None`` if neither is."""
    if name in DECODERS or name in WRAPPERS:
        return name
    suffix = next((suffix for suffix in POOLING_SUFFIXES if name.endswith(suffix)), None)
    if suffix is None:
        return None
    bases = (name.removesuffix(suffix) + generating for generating in GENERATING_SUFFIXES)
    return next((base for base in bases if base in DECODERS or base in WRAPPERS), None)


def _language_caches(config: Config, architecture: str) -> tuple[LayerCache, ...]:
    if architecture in DECODERS:
        bidirectional = not config.flag("is_causal", default=True) and architecture in CAUSAL_BY_CONFIG
        return () if bidirectional else DECODERS[architecture](config)
    place, decoder = WRAPPERS[architecture]
    for section in place.split(".") if place else ():
        found = config.optional_section(section)
        # A file without the section is the older flat spelling of the same model.
        config = config if found is None else found
    return DECODERS[decoder or _stated_decoder(config)](config)


# Decoders whose class reads ``is_causal`` and keeps no cache when it is false.
CAUSAL_BY_CONFIG = frozenset({"LlamaForCausalLM", "LlamaModel", "Qwen2ForCausalLM", "Qwen2Model", "Qwen3ForCausalLM"})


def _stated_decoder(config: Config) -> str:
    for name in config.texts("architectures"):
        if name in DECODERS:
            return name
    model_type = config.model_type
    if model_type not in CAUSAL_MODEL_TYPES:
        raise ConfigError(
            f"the KV cache of the language model type {model_type[:60] or 'that is missing'} is not known"
        )
    return CAUSAL_MODEL_TYPES[model_type]
