"""Refusals about speculative decoding (vllm/config/speculative.py)."""

from __future__ import annotations

from collections.abc import Mapping

from vram_engine.dialects.spelling import closest
from vram_engine.facts.versions import Version
from vram_engine.refusals.case import Case, whole, word

_LONGEST = 64

# Flags that say the same in words of their own.
_ALSO_SAYS = ("spec-method", "spec-model", "spec-tokens")

# Methods that need no draft model: they look at the text, or the target brings its own layers.
WITHOUT_DRAFT = frozenset({"ngram", "[ngram]", "ngram_gpu", "suffix", "extract_hidden_states", "dspark", "mtp"})

# What ``method`` has been called in some release; names ending in _mtp are older names of mtp.
METHODS = WITHOUT_DRAFT | {"eagle", "eagle3", "medusa", "mlp_speculator", "draft_model", "custom_class", "dflash"}
# First releases with a method, and first ones without it again.
METHOD_SINCE: Mapping[str, Version] = {
    "mtp": Version(0, 11, 0),
    "suffix": Version(0, 11, 1),
    "extract_hidden_states": Version(0, 17, 0),
    "ngram_gpu": Version(0, 18, 0),
    "dflash": Version(0, 20, 0),
    "custom_class": Version(0, 22, 0),
    "dspark": Version(0, 25, 0),
}
METHOD_GONE: Mapping[str, Version] = {"medusa": Version(0, 33, 0), "mlp_speculator": Version(0, 33, 0)}

# Until here a target with layers for multi-token prediction drafted for itself without being asked to.
_MODEL_NAMED_SINCE = Version(0, 12, 0)

# Methods without a model of their own, whose number of ranks nobody looks at.
_WITHOUT_RANKS = frozenset({"ngram", "ngram_gpu", "suffix", "extract_hidden_states", "custom_class"})

# Methods that look ahead on the CPU, or whose drafts asynchronous scheduling cannot wait for.
NOT_ASYNCHRONOUS = frozenset({"ngram", "suffix", "medusa", "mlp_speculator", "custom_class"})

# Methods that read the target's hidden states (``SpeculativeConfig.use_eagle``).
OF_HIDDEN_STATES = frozenset({"eagle", "eagle3", "mtp", "dflash", "dspark"})

# Model classes of which no checkpoint carries layers for multi-token prediction (``hf_config_override``).
WITHOUT_PREDICTION = frozenset(
    {
        *("LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", "Qwen2ForCausalLM", "Qwen2MoeForCausalLM"),
        *("Qwen3ForCausalLM", "Qwen3MoeForCausalLM", "GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM"),
        *("Gemma3ForConditionalGeneration", "Phi3ForCausalLM", "GptOssForCausalLM", "OPTForCausalLM"),
        *("FalconForCausalLM", "GPT2LMHeadModel", "GraniteForCausalLM", "CohereForCausalLM", "Cohere2ForCausalLM"),
        *("GraniteMoeForCausalLM", "GraniteMoeHybridForCausalLM", "MambaForCausalLM", "Mamba2ForCausalLM"),
        *("BambaForCausalLM", "JambaForCausalLM", "FalconH1ForCausalLM", "Starcoder2ForCausalLM"),
        *("DeepseekV2ForCausalLM", "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"),
    }
)

# Every key ``--speculative-config`` has had since 0.8.
KEYS = frozenset(
    {
        *("num_speculative_tokens", "model", "method", "draft_tensor_parallel_size", "tensor_parallel_size"),
        *("quantization", "max_model_len", "revision", "code_revision", "enforce_eager", "disable_by_batch_size"),
        *("acceptance_method", "disable_logprobs", "disable_mqa_scorer", "posterior_threshold", "posterior_alpha"),
        *("prompt_lookup_max", "prompt_lookup_min", "speculative_token_tree", "parallel_drafting"),
        *("disable_padded_drafter_batch", "disable_eagle_block_drop", "disable_lookahead_block_hashes"),
        *("suffix_decoding_max_tree_depth", "suffix_decoding_max_cached_requests", "suffix_decoding_max_spec_factor"),
        *("suffix_decoding_min_token_prob", "draft_load_config", "rejection_sample_method", "moe_backend"),
        *("synthetic_acceptance_rates", "synthetic_acceptance_length", "attention_backend", "kv_cache_dtype"),
        *("index_share_for_mtp_iteration", "use_local_argmax_reduction", "use_heterogeneous_vocab"),
        *("num_speculative_tokens_per_batch_size", "enable_adaptive_verification", "draft_sample_method"),
        *("dspark_draft_topk", "draft_lm_head_quantization", "xpress_topc", "fly_window_size"),
        *("fly_entropy_threshold", "fly_entropy_top_k", "enable_chunked_prefill", "disable_log_stats"),
        *("target_model_config", "target_parallel_config", "draft_model_config", "draft_parallel_config"),
    }
)


def config(case: Case) -> Mapping[str, object] | None:
    """``--speculative-config`` where all of it can be read."""
    return None if case.says(*_ALSO_SAYS) else case.mapping("speculative-config")


def is_on(case: Case) -> bool | None:
    """Whether anything is speculated; None where arguments hide."""
    if case.says("speculative-config", *_ALSO_SAYS):
        return True
    return None if case.hides_settings else False


def method_of(asked: Mapping[str, object]) -> str | None:
    """The method, by its present name; None where the draft model decides it."""
    name = word(asked, "method")
    if name is None:
        return "ngram" if word(asked, "model") in ("ngram", "[ngram]") else None
    return "mtp" if name.endswith("_mtp") else name.strip("[]")


def draft_tokens(case: Case) -> int | None:
    """``num_speculative_tokens`` where it is said."""
    asked = config(case)
    return None if asked is None else whole(asked, "num_speculative_tokens")


def unknown_key(case: Case) -> str | None:
    """``SpeculativeConfig`` takes no other keys."""
    for key in config(case) or {}:
        if key not in KEYS:
            close = closest(key[:_LONGEST].replace("-", "_"), sorted(KEYS))
            hint = f"; did you mean {close}?" if close else ""
            return f"speculative-config has no key {key[:40]}{hint}"
    return None


def unknown_method(case: Case) -> str | None:
    """``SpeculativeMethod``."""
    name = word(config(case) or {}, "method")
    if name is None or (name.endswith("_mtp") and name not in METHODS):
        return None
    if name not in METHODS:
        close = closest(name[:_LONGEST], sorted(METHODS))
        return f"vLLM knows no speculative method {name[:40]}" + (f"; did you mean {close}?" if close else "")
    if case.version < METHOD_SINCE.get(name, case.version):
        return f"vLLM {case.version} does not have the speculative method {name} yet"
    return None


def removed_method(case: Case) -> str | None:
    """``SpeculativeMethod`` of an older release."""
    name = word(config(case) or {}, "method") or ""
    gone = METHOD_GONE.get(name)
    return (
        None
        if gone is None or case.version < gone
        else f"vLLM {case.version} no longer has the speculative method {name}"
    )


def without_model(case: Case) -> str | None:
    """``__post_init__``: a method that drafts with a model needs one."""
    asked = config(case)
    if asked is None or "model" in asked or whole(asked, "num_speculative_tokens") is None:
        return None
    method = method_of(asked)
    if method is None and case.version < _MODEL_NAMED_SINCE:
        return None
    if method is not None and (method in WITHOUT_DRAFT or method not in METHODS):
        return None
    return f"vLLM refuses speculative-config without model: {method or 'a draft model'} drafts with one"


def without_tokens(case: Case) -> str | None:
    """``_verify_args``: methods that look at the text do not know how far."""
    asked = config(case)
    if asked is None or method_of(asked) not in ("ngram", "ngram_gpu") or "num_speculative_tokens" in asked:
        return None
    return f"vLLM refuses speculative-config without num_speculative_tokens for {method_of(asked)}"


def tokens_not_positive(case: Case) -> str | None:
    """``_verify_args``."""
    drafts = draft_tokens(case)
    if drafts is None or drafts > 0:
        return None
    return f"vLLM refuses num_speculative_tokens {drafts}: it must be above 0"


def draft_ranks(case: Case) -> str | None:
    """``_verify_and_get_draft_tp``: the draft runs on one rank or on all."""
    asked = config(case) or {}
    ranks, tensor = whole(asked, "draft_tensor_parallel_size"), case.integer("tensor-parallel-size", 1)
    if ranks is None or tensor is None or ranks in (1, tensor) or method_of(asked) in _WITHOUT_RANKS:
        return None
    return f"vLLM refuses draft_tensor_parallel_size {ranks}: it can be 1 or the target's {tensor}"


def target_ranks(case: Case) -> str | None:
    """``_verify_args``."""
    if "tensor_parallel_size" not in (config(case) or {}):
        return None
    return "vLLM refuses tensor_parallel_size in speculative-config: it is called draft_tensor_parallel_size there"


def lookup_range(case: Case) -> str | None:
    """``__post_init__``."""
    asked = config(case) or {}
    least, most = whole(asked, "prompt_lookup_min"), whole(asked, "prompt_lookup_max")
    if method_of(asked) not in ("ngram", "ngram_gpu") or least is None or most is None or least <= most:
        return None
    return f"vLLM refuses prompt_lookup_min {least} above prompt_lookup_max {most}"


def prediction_without_layers(case: Case) -> str | None:
    """``hf_config_override``: which model classes bring layers for multi-token prediction."""
    asked, model = config(case), case.model
    if asked is None or model is None or method_of(asked) != "mtp" or "model" in asked or case.says("model-impl"):
        return None
    if model.architecture not in WITHOUT_PREDICTION:
        return None
    return f"vLLM refuses method mtp: {model.architecture} has no layers for multi-token prediction"


def asynchronous(case: Case) -> str | None:
    """vllm/config/vllm.py, ``VllmConfig.__post_init__``."""
    asked = config(case)
    if asked is None or case.switch("async-scheduling") is not True or method_of(asked) not in NOT_ASYNCHRONOUS:
        return None
    return f"vLLM refuses async-scheduling with the speculative method {method_of(asked)}"


def slots(case: Case) -> str | None:
    """vllm/config/vllm.py, ``_set_max_num_scheduled_tokens``: drafts take room in the step beside the tokens."""
    asked, tokens = config(case), case.integer("max-num-batched-tokens")
    drafts = draft_tokens(case)
    if asked is None or tokens is None or drafts is None:
        return None
    needed = _slots(method_of(asked), drafts, parallel=asked.get("parallel_drafting") is True)
    if needed is None or tokens > needed:
        return None
    return f"vLLM refuses max-num-batched-tokens {tokens} with {drafts} draft tokens: they take {needed} of it"


def _slots(method: str | None, drafts: int, *, parallel: bool) -> int | None:
    """``max_num_new_slots_for_drafting``."""
    if method == "dflash":
        return drafts
    if method == "draft_model":
        return drafts if parallel else 1
    if method is None:
        return None
    return drafts - 1 if parallel or method == "dspark" else 0


def metrics_without_drafts(case: Case) -> str | None:
    """vllm/config/vllm.py, ``VllmConfig.__post_init__``."""
    asked = case.text("per-request-spec-decode-metrics", "none")
    if asked in (None, "none") or is_on(case) is not False:
        return None
    return f"vLLM refuses per-request-spec-decode-metrics {asked} without speculative decoding"


def fast_prefill(case: Case) -> str | None:
    """vllm/config/vllm.py, ``VllmConfig.__post_init__``: drafts from hidden states need those of the prompt."""
    asked = config(case)
    if asked is None or case.switch("kv-sharing-fast-prefill") is not True or method_of(asked) not in OF_HIDDEN_STATES:
        return None
    return f"vLLM refuses kv-sharing-fast-prefill with the speculative method {method_of(asked)}"
