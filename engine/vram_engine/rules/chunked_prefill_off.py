"""Chunked prefill is switched off, which vLLM does not officially support.

What it checks
    Whether enable-chunked-prefill is false for a model that generates, where steps are large enough all the same.

Why
    vLLM warns that the engine may crash or answer wrongly (vllm/engine/arg_utils.py). A long prompt also holds up
    every other request for a whole step.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-chunked-prefill: false

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-chunked-prefill: true
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.versions import Version
from vram_engine.model.caches import CrossAttention
from vram_engine.model.spec import ModelSpec
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, is_remarked, set_to

_SINCE = Version(0, 12, 0)


def check(plan: Plan) -> Iterator[Finding]:
    """Whole prompts at once."""
    case = case_of(plan)
    if case.model is None or case.model.runner != "generate" or case.version < _SINCE or plan.refusals:
        return
    if case.switch("enable-chunked-prefill", default=True) is not False or encodes(case.model):
        return
    where = plan.at("enable-chunked-prefill")
    if is_remarked(plan, where):
        return
    message = "vLLM does not officially support chunked prefill to be off here: it may crash or answer wrongly"
    fix = set_to(plan, {"enable-chunked-prefill": True})
    yield Finding(RULE.name, "warning", where, message, fixes=(fix,))


def encodes(model: ModelSpec) -> bool:
    """Whether an encoder feeds the decoder, which rules chunked prefill out."""
    return any(isinstance(cache, CrossAttention) for cache in model.caches)


RULE = Rule("chunked-prefill-off", __doc__ or "", check_plan=check)
