"""Which model classes of vLLM take LoRA adapters, and on what beside their linear layers.

Figures are the classes' own ``supports_lora``, ``embedding_modules`` and ``is_3d_moe_weight`` in vLLM 0.32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class LoraClass:
    """What a model class wraps beside linears: its input table, its output head.

    ``fused_experts``: gate and up projection of an expert have one adapter together. ``router``: the experts' router
    has one. ``halved`` are matrices with two adapters although the checkpoint fuses them.
    """

    table: bool = False
    head: bool = False
    fused_experts: bool = False
    router: bool = True
    halved: frozenset[str] = frozenset()


LINEARS = LoraClass()
TABLE = LoraClass(table=True)
BOTH = LoraClass(table=True, head=True)

_NAMES: Mapping[LoraClass, tuple[str, ...]] = {
    BOTH: (
        "LlamaForCausalLM",
        "LLaMAForCausalLM",
        "LlamaModel",
        "LlamaBidirectionalModel",
        "MistralModel",
        "InternLM3ForCausalLM",
        "IQuestCoderForCausalLM",
        "TeleChat3ForCausalLM",
        "Phi3ForCausalLM",
        "Qwen3ForCausalLM",
        "GraniteForCausalLM",
        "GraniteSWAForCausalLM",
        "NemotronForCausalLM",
        "Exaone4ForCausalLM",
        "SolarForCausalLM",
        "MiniCPMForCausalLM",
        "TeleFLMForCausalLM",
        "Ernie4_5ForCausalLM",
        "HyperCLOVAXForCausalLM",
        "ApertusForCausalLM",
        "MixtralForCausalLM",
        "Qwen3MoeForCausalLM",
        "PhiMoEForCausalLM",
        "GraniteMoeForCausalLM",
        "GraniteMoeSharedForCausalLM",
        "GraniteMoeSWAForCausalLM",
        "ExaoneMoeForCausalLM",
        "ExaoneMoEForCausalLM",
        "DeciLMForCausalLM",
        "MiniCPM3ForCausalLM",
        "FalconH1ForCausalLM",
        "GraniteMoeHybridForCausalLM",
        "JambaForCausalLM",
        "Lfm2ForCausalLM",
        "Lfm2MoeForCausalLM",
        "Qwen3_5ForCausalLM",
        "Qwen3_5MoeForCausalLM",
        "Qwen3_5ForConditionalGeneration",
        "Qwen3VLForConditionalGeneration",
        "Llama4ForCausalLM",
        "Llama4ForConditionalGeneration",
    ),
    LoraClass(True, True, router=False): ("NemotronHForCausalLM",),
    LoraClass(halved=frozenset({"gate_up_proj"})): ("Glm4ForCausalLM",),
    LoraClass(halved=frozenset({"fused_wkv_wgate"})): ("DeepseekV4ForCausalLM",),
    TABLE: (
        "CohereForCausalLM",
        "Cohere2ForCausalLM",
        "Olmo2ForCausalLM",
        "Olmo3ForCausalLM",
        "ArceeForCausalLM",
        "CwmForCausalLM",
        "GlmForCausalLM",
        "HunYuanDenseV1ForCausalLM",
        "Jais2ForCausalLM",
        "OlmoForCausalLM",
        "PhiForCausalLM",
        "SeedOssForCausalLM",
        "SmolLM3ForCausalLM",
        "Starcoder2ForCausalLM",
        "VaultGemmaForCausalLM",
        "FlexOlmoForCausalLM",
        "HunYuanMoEV1ForCausalLM",
    ),
    LINEARS: (
        "MistralForCausalLM",
        "Ministral3ForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen2Model",
        "GemmaForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma2Model",
        "InternLM2ForCausalLM",
        "MiMoForCausalLM",
        "Qwen2MoeForCausalLM",
        "OlmoeForCausalLM",
        "MiniMaxM2ForCausalLM",
        "Glm4MoeForCausalLM",
        "Ernie4_5_MoeForCausalLM",
        "BailingMoeForCausalLM",
        "BailingMoeV2ForCausalLM",
        "SarvamMoEForCausalLM",
        "AfmoeForCausalLM",
        "HYV3ForCausalLM",
        "DeepseekForCausalLM",
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "DeepseekV32ForCausalLM",
        "GlmMoeDsaForCausalLM",
        "Glm4MoeLiteForCausalLM",
        "GPTNeoXForCausalLM",
        "OPTForCausalLM",
        "ChatGLMModel",
        "ChatGLMForConditionalGeneration",
        "Qwen3NextForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma4ForCausalLM",
        "BertModel",
        "RobertaModel",
        "RobertaForMaskedLM",
        "XLMRobertaModel",
        "RobertaForSequenceClassification",
        "XLMRobertaForSequenceClassification",
        "ModernBertModel",
        "LagunaForCausalLM",
        "LongcatFlashForCausalLM",
        "OlmoHybridForCausalLM",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Gemma3ForConditionalGeneration",
        "Gemma4ForConditionalGeneration",
        "Glm4vForConditionalGeneration",
        "Glm4vMoeForConditionalGeneration",
    ),
    LoraClass(fused_experts=True): ("GptOssForCausalLM",),
    LoraClass(True, True, fused_experts=True): (
        "Qwen3VLMoeForConditionalGeneration",
        "Qwen3_5MoeForConditionalGeneration",
    ),
}

LORA_CLASSES: Mapping[str, LoraClass] = MappingProxyType(
    {name: kind for kind, names in _NAMES.items() for name in names}
)

# Architectures whose class takes no adapters: vLLM refuses to start.
NO_LORA = frozenset(
    {
        "AXK1ForCausalLM",
        "BailingMoeV2_5ForCausalLM",
        "Param2MoEForCausalLM",
        "StableLmForCausalLM",
        "OrionForCausalLM",
        "Cohere2MoeForCausalLM",
        "GPT2LMHeadModel",
        "FalconForCausalLM",
        "BloomForCausalLM",
        "GPTJForCausalLM",
        "DbrxForCausalLM",
        "Zamba2ForCausalLM",
        "MambaForCausalLM",
        "FalconMambaForCausalLM",
        "Mamba2ForCausalLM",
        "Gemma3nForCausalLM",
        "MiMoV2FlashForCausalLM",
        "MiMoV2ForCausalLM",
        "KimiLinearForCausalLM",
        "LlavaOnevisionForConditionalGeneration",
        "Cohere2VisionForConditionalGeneration",
        "Qwen2AudioForConditionalGeneration",
        "KimiVLForConditionalGeneration",
        "Gemma3nForConditionalGeneration",
        "KimiK25ForConditionalGeneration",
    }
)
