"""Steps are larger than all requests together can be.

What it checks
    Whether max-num-batched-tokens is above max-num-seqs times max-model-len, where the file sets it.

Why
    vLLM warns (vllm/config/scheduler.py, ``verify_max_model_len``), and its memory for activations is measured with
    tokens that never come.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-seqs: 2
    max-num-batched-tokens: 32768

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    max-num-seqs: 2
    max-num-batched-tokens: 16384
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.versions import Version
from vram_engine.plan import Plan
from vram_engine.refusals.scheduler import context
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to

_SINCE = Version(0, 9, 2)


def check(plan: Plan) -> Iterator[Finding]:
    """More tokens than requests have."""
    case = case_of(plan)
    tokens, requests, length = case.integer("max-num-batched-tokens"), case.integer("max-num-seqs"), context(case)
    if tokens is None or requests is None or length is None or case.version < _SINCE or tokens <= requests * length:
        return
    most = requests * length
    message = f"max-num-batched-tokens {tokens:,} is more than {requests:,} requests of {length:,} tokens can fill"
    fix = set_to(plan, {"max-num-batched-tokens": most})
    yield Finding(RULE.name, "warning", plan.at("max-num-batched-tokens"), message, fixes=(fix,) if most > 0 else ())


RULE = Rule("batched-tokens-exceed-batch", __doc__ or "", check_plan=check)
