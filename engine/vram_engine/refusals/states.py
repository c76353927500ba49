"""Refusals about recurrent states (Mamba and its kin) and prefix caching beside them."""

from __future__ import annotations

from vram_engine.refusals.case import Case
from vram_engine.refusals.kv_cache import keeps_states, mixes_states

_DEFAULT_BACKEND = "TRITON"


def caches_prefixes(case: Case) -> bool:
    """Whether prefix caching is certainly on for a model with states; beside attention it is, unless asked to pool."""
    by_default = mixes_states(case) and case.model is not None and case.model.runner == "generate"
    asked = case.switch("enable-prefix-caching", default=by_default)
    return asked is True and case.text("mamba-cache-mode", "align") in ("align", "none")


def prefixes_without_chunks(case: Case) -> str | None:
    """vllm/model_executor/models/config.py, ``MambaModelConfig``: states are kept at the ends of blocks."""
    if not keeps_states(case) or not caches_prefixes(case):
        return None
    if case.switch("enable-chunked-prefill", default=True) is not False:
        return None
    return "vLLM refuses prefix caching of recurrent states (Mamba) while chunked prefill is off"


def prefixes_of_whole_images(case: Case) -> str | None:
    """vllm/config/vllm.py, ``validate_block_size``."""
    if not keeps_states(case) or not caches_prefixes(case) or case.switch("disable-chunked-mm-input") is not True:
        return None
    return "vLLM refuses disable-chunked-mm-input with prefix caching of recurrent states (Mamba)"


def state_block_without_prefixes(case: Case) -> str | None:
    """vllm/config/vllm.py, ``validate_mamba_block_size``."""
    size = case.integer("mamba-block-size")
    if size is None or size == case.args.max_model_len or case.switch("enable-prefix-caching", default=True) is True:
        return None
    if case.switch("enable-prefix-caching", default=True) is None or case.integer("max-model-len", 0) is None:
        return None
    return "vLLM refuses mamba-block-size while prefix caching is off"


def rounding_of_wide_states(case: Case) -> str | None:
    """vllm/config/vllm.py, ``VllmConfig.__post_init__``."""
    if case.switch("enable-mamba-cache-stochastic-rounding") is not True:
        return None
    dtype = case.text("mamba-ssm-cache-dtype", "auto")
    if dtype is None or dtype == "float16":
        return None
    return f"vLLM refuses stochastic rounding of states in {dtype}: it needs mamba-ssm-cache-dtype float16"


def algorithm_of_other_backend(case: Case) -> str | None:
    """vllm/config/mamba.py, ``validate_ssu_algorithm``."""
    backend = case.text("mamba-backend", _DEFAULT_BACKEND)
    if case.text("mamba-ssu-algorithm") is None or backend is None or backend.upper() == "FLASHINFER":
        return None
    return f"vLLM refuses mamba-ssu-algorithm with mamba-backend {backend.lower()}: only flashinfer has a choice"
