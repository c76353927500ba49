"""Refusals about the length, the data type and the runner of a model."""

from __future__ import annotations

from vram_engine.facts.dtypes import BFLOAT16_CAPABILITY, NEEDS_MORE_RANGE_THAN_FLOAT16, SPELLINGS
from vram_engine.facts.versions import Version
from vram_engine.model.caches import CrossAttention
from vram_engine.model.registry import pools
from vram_engine.refusals.case import Case
from vram_engine.sizing.parallelism import Refusal
from vram_engine.sizing.weights import model_dtype

AUTO_LENGTH = -1
AUTO_LENGTH_SINCE = Version(0, 14, 0)
_GEMMA3_TEXT_SINCE = Version(0, 10, 2)


def length_not_positive(case: Case) -> str | None:
    """vllm/config/model.py, ``validate_model_config_after``."""
    asked = case.integer("max-model-len")
    if asked is None or asked > 0 or (asked == AUTO_LENGTH and case.version >= AUTO_LENGTH_SINCE):
        return None
    return f"vLLM refuses max-model-len {asked}: it must be above 0"


def bfloat16_on_old_gpu(case: Case) -> str | None:
    """vllm/platforms/cuda.py, ``check_if_supports_dtype``."""
    capability = case.capability
    if capability is None or capability >= BFLOAT16_CAPABILITY or stated_dtype(case) != "bfloat16":
        return None
    have = f"{capability[0]}.{capability[1]}"
    return f"vLLM refuses dtype bfloat16 on this GPU: it needs compute capability 8.0, the GPU has {have}"


def float16_out_of_range(case: Case) -> str | None:
    """vllm/config/model.py, ``_is_valid_dtype``: models whose activations leave the range of float16."""
    model = case.model
    if model is None or stated_dtype(case) != "float16" or model.model_type not in NEEDS_MORE_RANGE_THAN_FLOAT16:
        return None
    if model.model_type == "gemma3_text" and case.version < _GEMMA3_TEXT_SINCE:
        return None
    return f"vLLM refuses float16 for models of type {model.model_type}, which are numerically unstable in it"


def stated_dtype(case: Case) -> str | None:
    """The dtype that is asked for by name; None for ``auto``."""
    asked = case.text("dtype", "auto")
    return None if asked is None else SPELLINGS.get(asked.lower())


def must_be_wide(case: Case) -> bool:
    """Whether neither 16-bit type will do: the model is unstable in one and the GPU lacks the other."""
    if case.model is None or case.capability is None or case.capability >= BFLOAT16_CAPABILITY:
        return False
    return case.model.model_type in NEEDS_MORE_RANGE_THAN_FLOAT16


def dtype_of(case: Case) -> str | None:
    """The dtype the model will compute in, where that is known."""
    stated = stated_dtype(case)
    if stated is not None:
        return stated
    if case.model is None or case.capability is None or case.text("dtype", "auto") != "auto":
        return None
    dtype = model_dtype(case.model, case.args, case.capability)
    return None if isinstance(dtype, Refusal) else dtype


def generating_with_an_encoder(case: Case) -> str | None:
    """vllm/config/model.py, ``ModelConfig.__post_init__``: models that only pool cannot generate."""
    model = case.model
    if model is None or case.text("runner") != "generate" or model.caches or not pools(model.architecture):
        return None
    return f"vLLM refuses runner generate: {model.architecture} only makes embeddings or scores"


def prompt_embeds_for_an_encoder(case: Case) -> str | None:
    """vllm/config/model.py, ``validate_model_config_after``."""
    model = case.model
    if model is None or case.switch("enable-prompt-embeds") is not True:
        return None
    if not any(isinstance(cache, CrossAttention) for cache in model.caches):
        return None
    return f"vLLM refuses enable-prompt-embeds with {model.architecture}, which has an encoder of its own"
