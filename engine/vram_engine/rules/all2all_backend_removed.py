"""The exchange between experts is one that vLLM took out.

What it checks
    Whether all2all-backend is pplx or naive in a release that has neither, which is still an accepted choice.

Why
    vLLM warns and takes allgather_reducescatter instead (vllm/config/parallel.py, ``_validate_parallel_config``).

Example
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    enable-expert-parallel: true
    all2all-backend: pplx

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    enable-expert-parallel: true
    all2all-backend: allgather_reducescatter
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.versions import Version
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to

_SINCE = Version(0, 19, 0)


def check(plan: Plan) -> Iterator[Finding]:
    """Exchanges that are gone."""
    case = case_of(plan)
    name = case.text("all2all-backend")
    if name not in ("pplx", "naive") or case.version < _SINCE or plan.refusals:
        return
    message = f"vLLM no longer has all2all-backend {name} and takes allgather_reducescatter instead"
    fix = set_to(plan, {"all2all-backend": "allgather_reducescatter"})
    yield Finding(RULE.name, "warning", plan.at("all2all-backend"), message, fixes=(fix,))


RULE = Rule("all2all-backend-removed", __doc__ or "", check_plan=check)
