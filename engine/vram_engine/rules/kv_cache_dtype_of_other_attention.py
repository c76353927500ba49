"""The KV cache format is one that this kind of attention does not have.

What it checks
    kv-cache-dtype against the kind of attention: latent attention (MLA) keeps 16 bits or FP8 with four exponent bits,
    and the formats named ds_mla are its own.

Why
    No attention backend accepts the pair (``supported_kv_cache_dtypes`` in vllm/v1/attention/backends), so vLLM
    stops.

Example
    # vram: gpu=h100-sxm-80
    model: deepseek-ai/DeepSeek-V2-Lite
    max-model-len: 8192
    kv-cache-dtype: fp8_e5m2

Fixed
    # vram: gpu=h100-sxm-80
    model: deepseek-ai/DeepSeek-V2-Lite
    max-model-len: 8192
    kv-cache-dtype: fp8
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.kv_cache import NATIVE_FP8
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A format for the other kind of attention."""
    return refusal(plan, RULE.name, ("kv-cache-dtype",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    native = case.capability is not None and case.capability >= NATIVE_FP8
    yield set_to(plan, {"kv-cache-dtype": "fp8" if native else "auto"})


RULE = Rule("kv-cache-dtype-of-other-attention", __doc__ or "", check_plan=check)
