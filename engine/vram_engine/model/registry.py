"""Architecture names and the builder of each, as vLLM's registry has them (vllm/model_executor/models/registry.py).

Tables, hence the length.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vram_engine.model.builders import (
    dbrx_builder,
    deepseek_v4_builder,
    dense,
    gemma4_builder,
    latent,
    longcat_builder,
    mixture,
    nemotron,
    qwen35_language,
    qwen35_text,
    shaped,
    with_step_experts,
)
from vram_engine.model.built import Builder
from vram_engine.model.classic import bloom, chatglm, deci_lm, falcon, gpt2, gpt_bigcode, gpt_j, minicpm3, opt
from vram_engine.model.config import Config, ConfigError
from vram_engine.model.encoder import (
    bert,
    bert_classifier,
    classifier,
    modernbert,
    modernbert_classifier,
    reward,
    roberta_classifier,
    token_classifier,
)
from vram_engine.model.ernie_vl import ernie_language
from vram_engine.model.gemma import gemma3, gemma3n
from vram_engine.model.hybrid import bamba, falcon_h1, granite_hybrid, zamba2
from vram_engine.model.interleaved import laguna, llama4, mimo_v2
from vram_engine.model.kin import (
    MELLUM_DEFAULTS,
    PARAM2_DEFAULTS,
    axk1,
    bailing,
    bailing_linear,
    decoder_of,
    mellum,
    pangu_ultra,
    param2,
    sarvam_latent,
)
from vram_engine.model.linear_hybrid import kimi_linear, lfm2, olmo_hybrid, qwen_next
from vram_engine.model.minimax_m3 import MINIMAX_M3_RENAMES, minimax_m3, minimax_m3_tower
from vram_engine.model.molmo import molmo, molmo2
from vram_engine.model.multimodal import (
    GEMMA4_RENAMES,
    KIMI_RENAMES,
    LIGHTON_RENAMES,
    LLAMA4_RENAMES,
    LLAVA_RENAMES,
    OMNI_RENAMES,
    QWEN2_RENAMES,
    QWEN3_RENAMES,
    Renames,
    Tower,
    beside,
    cohere2_vision,
    eagle25,
    gemma3_tower,
    gemma3n_tower,
    gemma4_tower,
    glm4v,
    idefics3,
    internvl,
    internvl_hf,
    kimi_k3_tower,
    kimi_tower,
    llama4_tower,
    llava,
    llava_next,
    llava_onevision,
    mistral3,
    multimodal,
    nvlm,
    omni,
    paligemma,
    qwen2_audio,
    qwen2_tower,
    qwen3_tower,
    qwen25_tower,
    within,
    within_model,
    without_model,
)
from vram_engine.model.ocr import (
    DEEPSEEK_OCR_RENAMES,
    DEEPSEEK_VL2_RENAMES,
    DOTS_RENAMES,
    deepseek_ocr,
    deepseek_vl2,
    dots_ocr,
    exaone45_vision,
    glm_ocr,
)
from vram_engine.model.phi_vision import PHI3V_RENAMES, PHI4MM_RENAMES, phi3v, phi4mm
from vram_engine.model.resampled import (
    ERNIE_RENAMES,
    FLAT_RENAMES,
    LFM2_RENAMES,
    aria,
    ernie_vision,
    keye,
    keye15,
    lfm2_vl,
    minicpm,
    minicpm_o_tower,
    minicpm_tower,
    paddleocr,
    paddleocr_vl,
)
from vram_engine.model.rope_encoder import bge_m3_heads, gte, gte_classifier, masked_language_head, nomic, with_heads
from vram_engine.model.speech import (
    GRANITE_SPEECH_RENAMES,
    QWEN3_ASR_RENAMES,
    ULTRAVOX_RENAMES,
    granite_speech,
    qwen3_asr,
    qwen3_omni,
    ultravox,
)
from vram_engine.model.state_space import jamba, pure_mamba, pure_mamba2
from vram_engine.model.stepfun import step3, step35
from vram_engine.model.whisper import whisper

DENSE: Mapping[str, str] = {
    "LlamaForCausalLM": "llama",
    "LLaMAForCausalLM": "llama",
    "LlamaModel": "llama",
    "LlamaForCausalLMEagle3": "llama",
    "Eagle3LlamaForCausalLM": "llama",
    "EagleLlamaForCausalLM": "llama",
    "LlamaBidirectionalModel": "llama",
    "MistralForCausalLM": "llama",
    "MistralModel": "llama",
    "Ministral3ForCausalLM": "llama",
    "AquilaForCausalLM": "llama",
    "AquilaModel": "llama",
    "InternLMForCausalLM": "llama",
    "InternLM3ForCausalLM": "internlm3",
    "IQuestCoderForCausalLM": "llama",
    "TeleChat3ForCausalLM": "llama",
    "XverseForCausalLM": "llama",
    "YiForCausalLM": "llama",
    "Phi3ForCausalLM": "phi3",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen2Model": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3Model": "qwen3",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma2Model": "gemma2",
    "GraniteForCausalLM": "granite",
    "GraniteSWAForCausalLM": "granite",
    "CohereForCausalLM": "cohere",
    "Cohere2ForCausalLM": "cohere",
    "InternLM2ForCausalLM": "internlm2",
    "StableLmForCausalLM": "stablelm",
    "StableLMEpochForCausalLM": "stablelm",
    "OrionForCausalLM": "orion",
    "NemotronForCausalLM": "nemotron",
    "ExaoneForCausalLM": "exaone",
    "Exaone4ForCausalLM": "exaone4",
    "SolarForCausalLM": "llama",
    "Glm4ForCausalLM": "glm4",
    "MiniCPMForCausalLM": "minicpm",
    "Olmo2ForCausalLM": "olmo2",
    "Olmo3ForCausalLM": "olmo2",
    "MiMoForCausalLM": "qwen2",
    "TeleFLMForCausalLM": "llama",
    "Ernie4_5ForCausalLM": "ernie45",
    "HyperCLOVAXForCausalLM": "hyperclovax",
    "ApertusForCausalLM": "apertus",
    "ArceeForCausalLM": "arcee",
    "CwmForCausalLM": "cwm",
    "GlmForCausalLM": "glm",
    "GPTNeoXForCausalLM": "gpt_neox",
    "HunYuanDenseV1ForCausalLM": "hunyuan",
    "Jais2ForCausalLM": "jais2",
    "OlmoForCausalLM": "olmo",
    "PhiForCausalLM": "phi",
    "SeedOssForCausalLM": "seed_oss",
    "SmolLM3ForCausalLM": "smollm3",
    "Starcoder2ForCausalLM": "starcoder2",
    "VaultGemmaForCausalLM": "vaultgemma",
    "TeleChat2ForCausalLM": "telechat2",
    "PanguEmbeddedForCausalLM": "pangu",
}


MIXTURES: Mapping[str, str] = {
    "MixtralForCausalLM": "mixtral",
    "Qwen2MoeForCausalLM": "qwen2_moe",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "OlmoeForCausalLM": "olmoe",
    "MiniMaxM2ForCausalLM": "minimax_m2",
    "Glm4MoeForCausalLM": "glm4_moe",
    "PhiMoEForCausalLM": "phimoe",
    "GraniteMoeForCausalLM": "granitemoe",
    "GraniteMoeSharedForCausalLM": "granitemoeshared",
    "GraniteMoeSWAForCausalLM": "granitemoeshared",
    "Ernie4_5_MoeForCausalLM": "ernie45_moe",
    "AfmoeForCausalLM": "afmoe",
    "ExaoneMoeForCausalLM": "exaone_moe",
    "ExaoneMoEForCausalLM": "exaone_moe",
    "Cohere2MoeForCausalLM": "cohere2_moe",
    "FlexOlmoForCausalLM": "flex_olmo",
    "HunYuanMoEV1ForCausalLM": "hunyuan_moe",
    "HYV3ForCausalLM": "hy_v3",
    "GptOssForCausalLM": "gpt_oss",
}


LLAVA_TOWERS: Mapping[str, Tower] = {
    "LlavaForConditionalGeneration": llava,
    "LlavaNextForConditionalGeneration": llava_next,
    "LlavaNextVideoForConditionalGeneration": llava_next,
    "LlavaOnevisionForConditionalGeneration": llava_onevision,
    "Mistral3ForConditionalGeneration": mistral3,
    "PaliGemmaForConditionalGeneration": paligemma,
    "InternVLForConditionalGeneration": internvl_hf,
    "InternS1ForConditionalGeneration": internvl_hf,
    "InternVLChatModel": internvl,
    "Cohere2VisionForConditionalGeneration": cohere2_vision,
    "Qwen2AudioForConditionalGeneration": qwen2_audio,
}

# Models that keep their language model beside the tower and cannot be cut into stages.
IDEFICS_TOWERS: Mapping[str, Tower] = {
    "Idefics3ForConditionalGeneration": idefics3,
    "SmolVLMForConditionalGeneration": idefics3,
}

# Models whose language model is named by its own config, with prefixes of their own.
NAMED_TOWERS: Mapping[str, tuple[Tower, Renames]] = {
    "Lfm2VlForConditionalGeneration": (lfm2_vl, LFM2_RENAMES),
    "GraniteSpeechForConditionalGeneration": (granite_speech, GRANITE_SPEECH_RENAMES),
    "UltravoxModel": (ultravox, ULTRAVOX_RENAMES),
    "DeepseekVLV2ForCausalLM": (deepseek_vl2, DEEPSEEK_VL2_RENAMES),
    "DeepseekOCRForCausalLM": (deepseek_ocr, DEEPSEEK_OCR_RENAMES),
    "SkyworkR1VChatModel": (internvl, ()),
    "H2OVLChatModel": (internvl, ()),
    "NVLM_D": (nvlm, ()),
    "Eagle2_5_VLForConditionalGeneration": (eagle25, ()),
    "LightOnOCRForConditionalGeneration": (mistral3, LIGHTON_RENAMES),
}

# Models whose config is a section of the whole.
THINKERS: Mapping[str, tuple[Tower, Builder, Renames]] = {
    "Qwen2_5OmniModel": (omni, dense("qwen2"), OMNI_RENAMES),
    "Qwen2_5OmniForConditionalGeneration": (omni, dense("qwen2"), OMNI_RENAMES),
    "Qwen3OmniMoeForConditionalGeneration": (qwen3_omni, mixture("qwen3_moe"), OMNI_RENAMES),
    "Qwen3ASRForConditionalGeneration": (qwen3_asr, dense("qwen3"), QWEN3_ASR_RENAMES),
}

TOWERS: Mapping[str, tuple[Tower, Builder, Renames]] = {
    "KeyeForConditionalGeneration": (keye, dense("qwen3"), FLAT_RENAMES),
    "KeyeVL1_5ForConditionalGeneration": (keye15, dense("qwen3"), FLAT_RENAMES),
    "Ernie4_5_VLMoeForConditionalGeneration": (ernie_vision, ernie_language, ERNIE_RENAMES),
    "Phi3VForCausalLM": (phi3v, dense("phi3"), PHI3V_RENAMES),
    "GlmOcrForConditionalGeneration": (glm_ocr, dense("glm4"), QWEN3_RENAMES),
    "DotsOCRForCausalLM": (dots_ocr, dense("qwen2"), DOTS_RENAMES),
    "Exaone4_5_ForConditionalGeneration": (exaone45_vision, dense("exaone4"), QWEN3_RENAMES),
    "Qwen2VLForConditionalGeneration": (qwen2_tower, dense("qwen2"), QWEN2_RENAMES),
    "Qwen2_5_VLForConditionalGeneration": (qwen25_tower, dense("qwen2"), QWEN2_RENAMES),
    "Qwen3VLForConditionalGeneration": (qwen3_tower, dense("qwen3_vl"), QWEN3_RENAMES),
    "Qwen3VLMoeForConditionalGeneration": (qwen3_tower, mixture("qwen3_vl_moe"), QWEN3_RENAMES),
    "Qwen3_5ForConditionalGeneration": (qwen3_tower, qwen35_language, QWEN3_RENAMES),
    "Qwen3_5MoeForConditionalGeneration": (qwen3_tower, qwen35_language, QWEN3_RENAMES),
    "KimiVLForConditionalGeneration": (kimi_tower, latent("deepseek"), KIMI_RENAMES),
    "Glm4vForConditionalGeneration": (glm4v, dense("glm4"), QWEN3_RENAMES),
    "Glm4vMoeForConditionalGeneration": (glm4v, mixture("glm4_moe"), QWEN3_RENAMES),
    "Gemma3ForConditionalGeneration": (gemma3_tower, shaped(gemma3), LLAVA_RENAMES),
    "Gemma3nForConditionalGeneration": (gemma3n_tower, shaped(gemma3n, pipeline=False), LLAVA_RENAMES),
    "Gemma4ForConditionalGeneration": (gemma4_tower, gemma4_builder, GEMMA4_RENAMES),
    "Llama4ForConditionalGeneration": (llama4_tower, shaped(llama4), LLAMA4_RENAMES),
    "KimiK25ForConditionalGeneration": (kimi_tower, latent("deepseek"), KIMI_RENAMES),
    "KimiK3ForConditionalGeneration": (kimi_k3_tower, shaped(kimi_linear), KIMI_RENAMES),
    "MiniMaxM3SparseForConditionalGeneration": (minimax_m3_tower, minimax_m3, MINIMAX_M3_RENAMES),
}

TEXT_BUILDERS: Mapping[str, Builder] = MappingProxyType(
    {name: dense(traits) for name, traits in DENSE.items()}
    | {name: mixture(traits) for name, traits in MIXTURES.items()}
    | {
        "DeepseekForCausalLM": latent("deepseek"),
        "DeepseekV2ForCausalLM": latent("deepseek"),
        "DeepseekV3ForCausalLM": latent("deepseek"),
        "DeepseekV32ForCausalLM": latent("deepseek", indexed=True),
        "GlmMoeDsaForCausalLM": latent("deepseek", indexed=True),
        "Glm4MoeLiteForCausalLM": latent("glm4_moe_lite"),
        "MistralLarge3ForCausalLM": latent("deepseek"),
        "AXK1ForCausalLM": shaped(axk1),
        "PanguUltraMoEForCausalLM": shaped(pangu_ultra),
        "SarvamMLAForCausalLM": shaped(sarvam_latent),
        "BailingMoeV2_5ForCausalLM": shaped(bailing_linear),
    }
    | {
        "BailingMoeForCausalLM": decoder_of(bailing, {}),
        "BailingMoeV2ForCausalLM": decoder_of(bailing, {}),
        "SarvamMoEForCausalLM": decoder_of(bailing, {}),
        "Param2MoEForCausalLM": decoder_of(param2, PARAM2_DEFAULTS),
        "MellumForCausalLM": decoder_of(mellum, MELLUM_DEFAULTS),
    }
    | {
        "GPT2LMHeadModel": shaped(gpt2),
        "GPTBigCodeForCausalLM": shaped(gpt_bigcode),
        "DeciLMForCausalLM": shaped(deci_lm),
        "MiniCPM3ForCausalLM": shaped(minicpm3),
        "OPTForCausalLM": shaped(opt),
        "FalconForCausalLM": shaped(falcon),
        "RWForCausalLM": shaped(falcon),
        "BloomForCausalLM": shaped(bloom),
        "GPTJForCausalLM": shaped(gpt_j),
        "ChatGLMModel": shaped(chatglm),
        "ChatGLMForConditionalGeneration": shaped(chatglm),
        "DbrxForCausalLM": dbrx_builder,
    }
    | {
        "FalconH1ForCausalLM": shaped(falcon_h1),
        "GraniteMoeHybridForCausalLM": shaped(granite_hybrid),
        "BambaForCausalLM": shaped(bamba),
        "NemotronHForCausalLM": nemotron,
        "Zamba2ForCausalLM": shaped(zamba2, pipeline=False),
        "JambaForCausalLM": shaped(jamba),
        "MambaForCausalLM": shaped(pure_mamba),
        "FalconMambaForCausalLM": shaped(pure_mamba),
        "Mamba2ForCausalLM": shaped(pure_mamba2, pipeline=False),
        "Lfm2ForCausalLM": shaped(lfm2),
        "Lfm2MoeForCausalLM": shaped(lfm2),
        "Qwen3NextForCausalLM": shaped(qwen_next),
        "Qwen3_5ForCausalLM": qwen35_text,
        "Qwen3_5MoeForCausalLM": qwen35_text,
        "Gemma3ForCausalLM": shaped(gemma3),
        "Gemma3TextModel": shaped(gemma3),
        "Gemma3nForCausalLM": shaped(gemma3n, pipeline=False),
        "Gemma4ForCausalLM": gemma4_builder,
        "DeepseekV4ForCausalLM": deepseek_v4_builder,
        "WhisperForConditionalGeneration": whisper,
        "BertModel": bert,
        "RobertaModel": bert,
        "RobertaForMaskedLM": bert,
        "XLMRobertaModel": bert,
        "BertForSequenceClassification": bert_classifier,
        "RobertaForSequenceClassification": roberta_classifier,
        "XLMRobertaForSequenceClassification": roberta_classifier,
        "BertForTokenClassification": token_classifier,
        "RobertaForTokenClassification": token_classifier,
        "XLMRobertaForTokenClassification": token_classifier,
        "ModernBertModel": modernbert,
        "ModernBertForSequenceClassification": modernbert_classifier,
        "BertForMaskedLM": with_heads(bert, masked_language_head),
        "BertSpladeSparseEmbeddingModel": with_heads(bert, masked_language_head),
        "BgeM3EmbeddingModel": with_heads(bert, bge_m3_heads),
        "GteModel": gte,
        "GteNewModel": gte,
        "GteNewForSequenceClassification": gte_classifier,
        "NomicBertModel": nomic,
        "LlamaBidirectionalForSequenceClassification": classifier(dense("llama")),
        "Qwen2ForRewardModel": reward(dense("qwen2"), 1),
        "Qwen2ForProcessRewardModel": reward(dense("qwen2"), 2),
        "Llama4ForCausalLM": shaped(llama4),
        "MiMoV2FlashForCausalLM": shaped(mimo_v2),
        "MiMoV2ForCausalLM": shaped(mimo_v2),
        "LagunaForCausalLM": shaped(laguna),
        "LongcatFlashForCausalLM": longcat_builder,
        "Step3TextForCausalLM": with_step_experts(step3),
        "Step3p5ForCausalLM": with_step_experts(step35),
        "OlmoHybridForCausalLM": shaped(olmo_hybrid),
        "KimiLinearForCausalLM": shaped(kimi_linear),
        "MiniMaxM3SparseForCausalLM": minimax_m3,
    }
)

BUILDERS: Mapping[str, Builder] = MappingProxyType(
    dict(TEXT_BUILDERS)
    | {name: multimodal(tower, None, LLAVA_RENAMES, languages=TEXT_BUILDERS) for name, tower in LLAVA_TOWERS.items()}
    | {
        name: multimodal(tower, None, renames, languages=TEXT_BUILDERS)
        for name, (tower, renames) in NAMED_TOWERS.items()
    }
    | {
        name: within("thinker_config", multimodal(tower, language, renames, languages=TEXT_BUILDERS))
        for name, (tower, language, renames) in THINKERS.items()
    }
    | {
        "MiniCPMV": minicpm(minicpm_tower, TEXT_BUILDERS),
        "MiniCPMO": minicpm(minicpm_o_tower, TEXT_BUILDERS),
        "MolmoForCausalLM": molmo,
        "Molmo2ForConditionalGeneration": molmo2,
        "PaddleOCRVLForConditionalGeneration": paddleocr_vl(
            multimodal(paddleocr, dense("ernie45"), FLAT_RENAMES, languages=TEXT_BUILDERS, pipeline=False)
        ),
        "AriaForConditionalGeneration": multimodal(
            aria, mixture("aria"), (), languages=TEXT_BUILDERS, place=without_model, pipeline=False
        ),
        "Phi4MMForCausalLM": multimodal(
            phi4mm, dense("llama"), PHI4MM_RENAMES, languages=TEXT_BUILDERS, place=beside, pipeline=False
        ),
    }
    | {
        name: multimodal(tower, dense("llama"), (), languages=TEXT_BUILDERS, place=within_model, pipeline=False)
        for name, tower in IDEFICS_TOWERS.items()
    }
    | {
        name: multimodal(tower, language, renames, languages=TEXT_BUILDERS)
        for name, (tower, language, renames) in TOWERS.items()
    }
)

# Suffixes of an architecture name that make vLLM run a model for pooling (vllm/config/model.py, _SUFFIX_TO_DEFAULTS).
POOLING_SUFFIXES = (
    "ForTextEncoding",
    "EmbeddingModel",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForAudioClassification",
    "ForImageClassification",
    "ForVideoClassification",
    "ClassificationModel",
    "ForRewardModeling",
    "RewardModel",
    "Model",
)
GENERATING_SUFFIXES = ("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel")
SUFFIXES = (*GENERATING_SUFFIXES, *POOLING_SUFFIXES)
CLASSIFYING_SUFFIXES = frozenset(suffix for suffix in POOLING_SUFFIXES if "Classification" in suffix)


def architecture_of(config: Config) -> str:
    """The architecture of a config that vLLM would choose: the first one it knows, else the first one named."""
    names = config.texts("architectures")
    if not names:
        raise ConfigError("config.json names no architecture")
    return next((name for name in names if builder_of(name) is not None), names[0])


def builder_of(architecture: str) -> Builder | None:
    """The builder of an architecture, or of the decoder that vLLM adapts to it (registry.py, ``_normalize_arch``)."""
    if architecture in BUILDERS:
        return BUILDERS[architecture]
    suffix = next((suffix for suffix in SUFFIXES if architecture.endswith(suffix)), "")
    if not suffix:
        return None
    for replacement in SUFFIXES:
        base = architecture.replace(suffix, replacement)
        if base in BUILDERS:
            return classifier(BUILDERS[base]) if suffix in CLASSIFYING_SUFFIXES else BUILDERS[base]
    return None


# Named like models for pooling, yet vLLM has them generate.
GENERATING_MODELS = frozenset({"Qwen2_5OmniModel", "UltravoxModel"})


def pools(architecture: str) -> bool:
    """Whether an architecture is served for pooling by its name alone."""
    if architecture in GENERATING_MODELS:
        return False
    return not architecture.endswith(GENERATING_SUFFIXES) and architecture.endswith(POOLING_SUFFIXES)
