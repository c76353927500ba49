"""Refusals about how many tokens and requests a step may hold (vllm/config/scheduler.py)."""

from __future__ import annotations

from vram_engine.model.caches import CrossAttention
from vram_engine.model.length import default_max_model_len
from vram_engine.model.spec import ModelSpec
from vram_engine.refusals.case import Case
from vram_engine.refusals.limits import loses_a_window
from vram_engine.sizing.batch import Batch, batch

# Settings under which the default of max_num_batched_tokens is another than by GPU alone.
_CHANGES_THE_DEFAULT = ("performance-mode", "data-parallel-size", "speculative-config", "diffusion-config")


def step_below_length(case: Case) -> str | None:
    """Without chunked prefill a whole prompt must fit one step (``verify_max_model_len``)."""
    tokens, length = case.integer("max-num-batched-tokens"), context(case)
    if tokens is None or length is None or tokens >= length or not computes_whole_prompts(case):
        return None
    return (
        f"vLLM refuses max-num-batched-tokens {tokens:,} below max-model-len {length:,} while chunked prefill is off: "
        "a whole prompt must fit one step"
    )


def computes_whole_prompts(case: Case) -> bool:
    """Whether chunked prefill is certainly off: by will, or for a model whose attention looks ahead."""
    asked, model = case.switch("enable-chunked-prefill", default=True), case.model
    if asked is False or model is None:
        return asked is False
    if any(isinstance(cache, CrossAttention) for cache in model.caches):
        return True
    only_encodes = model.runner == "pooling" and not model.caches
    return only_encodes and not case.says("enable-chunked-prefill", "more-arguments")


def requests_exceed_step(case: Case) -> str | None:
    """A step must hold a token of each request (``verify_max_model_len``)."""
    requests, tokens = case.integer("max-num-seqs"), step(case)
    if requests is None or tokens is None or requests <= tokens:
        return None
    given = "" if case.says("max-num-batched-tokens") else ", the default for this GPU"
    return f"vLLM refuses max-num-seqs {requests:,} above max-num-batched-tokens {tokens:,}{given}"


def active_exceed_requests(case: Case) -> str | None:
    """``verify_max_model_len``."""
    active, requests = case.integer("max-num-active-seqs"), most_requests(case)
    if active is None or requests is None or active <= requests:
        return None
    given = "" if case.says("max-num-seqs") else ", the default for this GPU"
    return f"vLLM refuses max-num-active-seqs {active:,} above max-num-seqs {requests:,}{given}"


def long_prefill_exceeds_length(case: Case) -> str | None:
    """``verify_max_model_len``."""
    threshold, length = case.integer("long-prefill-token-threshold"), context(case)
    if threshold is None or length is None or threshold <= length or _resets_the_threshold(case):
        return None
    return f"vLLM refuses long-prefill-token-threshold {threshold:,} above max-model-len {length:,}"


def _resets_the_threshold(case: Case) -> bool:
    """Encoder-decoder models have none whatever is asked; a model that is not known might be one."""
    return case.model is None or any(isinstance(cache, CrossAttention) for cache in case.model.caches)


def watermark_out_of_range(case: Case) -> str | None:
    """``SchedulerConfig.watermark``."""
    value = case.number("watermark")
    if value is None or 0 <= value < 1:
        return None
    return f"watermark is a share of the KV cache, from 0 to below 1; vLLM refuses {value:g}"


def context(case: Case) -> int | None:
    """The context length in force, where it is known."""
    if case.args.max_model_len is not None:
        return case.args.max_model_len
    if case.says("max-model-len") or case.hides_settings or case.model is None or _may_be_shorter(case.model):
        return None
    windowless = loses_a_window(case.model, case.args)
    return default_max_model_len(case.model, case.version, disable_sliding_window=windowless)


def _may_be_shorter(model: ModelSpec) -> bool:
    """Whether a tokenizer's or a sentence encoder's file may say another length (``_get_and_verify_max_len``)."""
    return model.runner == "pooling" and not model.caches


def step(case: Case) -> int | None:
    """``max_num_batched_tokens``: as set, else vLLM's default where the GPU and the model decide it alone."""
    if case.says("max-num-batched-tokens"):
        return case.integer("max-num-batched-tokens")
    limits = _limits(case)
    return None if limits is None else limits.max_num_batched_tokens


def most_requests(case: Case) -> int | None:
    """``max_num_seqs``, likewise."""
    if case.says("max-num-seqs"):
        return case.integer("max-num-seqs")
    limits = _limits(case)
    return None if limits is None else limits.max_num_seqs


def _limits(case: Case) -> Batch | None:
    length = context(case)
    if case.hides_settings or case.capability is None or case.node is None or case.model is None or length is None:
        return None
    if case.model.tower or case.model.runner != "generate" or case.says(*_CHANGES_THE_DEFAULT):
        return None
    return batch(case.args, case.node.gpu, length, case.model)
