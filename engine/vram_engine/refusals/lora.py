"""Refusals about LoRA adapters (vllm/config/lora.py, vllm/v1/worker/lora_model_runner_mixin.py)."""

from __future__ import annotations

from vram_engine.refusals.case import Case
from vram_engine.refusals.scheduler import step
from vram_engine.refusals.speculation import draft_tokens

# Model classes that never implemented ``SupportsLoRA``, in any release from 0.8 to 0.33.
WITHOUT_ADAPTERS = frozenset(
    {
        *("BloomForCausalLM", "DbrxForCausalLM", "FalconForCausalLM", "FalconMambaForCausalLM", "GPT2LMHeadModel"),
        *("GPTJForCausalLM", "MambaForCausalLM", "OrionForCausalLM", "StableLmForCausalLM", "StableLMEpochForCausalLM"),
        *("Gemma3nForCausalLM", "Gemma3nForConditionalGeneration", "Cohere2MoeForCausalLM", "KimiLinearForCausalLM"),
        *("MiMoV2FlashForCausalLM", "KimiVLForConditionalGeneration", "KimiK25ForConditionalGeneration"),
        *("Qwen2AudioForConditionalGeneration", "ModernBertForSequenceClassification"),
    }
)


def unsupported(case: Case) -> str | None:
    """A model class without adapters; the Transformers backend has a class of its own."""
    model = case.model
    if model is None or not wanted(case) or model.architecture not in WITHOUT_ADAPTERS or case.says("model-impl"):
        return None
    return f"vLLM refuses enable-lora: {model.architecture} does not take LoRA adapters"


def wanted(case: Case) -> bool:
    """Whether adapters are switched on."""
    return case.switch("enable-lora") is True


def kept_below_active(case: Case) -> str | None:
    """``_validate_lora_config``."""
    kept, active = case.integer("max-cpu-loras"), case.integer("max-loras", 1)
    if not wanted(case) or not kept or active is None or kept >= active or kept < 0:
        return None
    return f"vLLM refuses max-cpu-loras {kept} below max-loras {active}"


def adapters_by_medium_for_text(case: Case) -> str | None:
    """vllm/engine/arg_utils.py, ``create_engine_config``."""
    if case.model is None or case.model.tower or not case.mapping("default-mm-loras"):
        return None
    return f"vLLM refuses default-mm-loras: {case.model.architecture} takes text alone"


def modules_without_adapters(case: Case) -> str | None:
    """vllm/v1/worker/lora_model_runner_mixin.py, ``_ensure_lora_enabled``, as the server loads them."""
    if not case.says("lora-modules") or case.switch("enable-lora") is not False:
        return None
    return "vLLM refuses lora-modules without enable-lora"


def step_below_drafts(case: Case) -> str | None:
    """vllm/engine/arg_utils.py, ``create_engine_config``: with adapters every draft token needs room in a step."""
    drafts, requests, tokens = draft_tokens(case), case.integer("max-num-seqs"), step(case)
    if not wanted(case) or drafts is None or requests is None or tokens is None or tokens >= requests * (drafts + 1):
        return None
    return (
        f"vLLM refuses max-num-batched-tokens {tokens:,} with LoRA: {requests:,} requests with {drafts} draft tokens "
        f"each need {requests * (drafts + 1):,}"
    )


def rank_above_limit(case: Case) -> str | None:
    """vllm/lora/peft_helper.py, ``validate_legal``, for adapters that are loaded before the server answers."""
    adapter, limit = case.deployment.adapter, case.integer("max-lora-rank", 16)
    if adapter is None or limit is None or adapter.rank <= limit or case.switch("enable-lora") is not True:
        return None
    return f"vLLM refuses the adapter {adapter.name}: it is of rank {adapter.rank}, and max-lora-rank is {limit}"
