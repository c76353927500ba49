"""Two ways to keep weights in CPU memory are set, and one is ignored.

What it checks
    Whether cpu-offload-gb and offload-group-size are both set, or one of them against offload-backend.

Why
    vLLM uses one of them and only warns (vllm/config/offload.py, ``validate_offload_config``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    offload-group-size: 4
    cpu-offload-gb: 8

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    offload-group-size: 4
    cpu-offload-gb: 0
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.versions import Version
from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import case_of, set_to

_SINCE = Version(0, 17, 0)


def check(plan: Plan) -> Iterator[Finding]:
    """Settings of the way that is not taken."""
    case = case_of(plan)
    backend = case.text("offload-backend", "auto")
    whole = (case.number("cpu-offload-gb", 0) or 0) > 0
    layers = (case.integer("offload-group-size", 0) or 0) > 0
    # Where CPU and GPU share a memory, neither does anything, as cpu-offload-on-unified-memory says.
    shared = case.node is not None and case.node.gpu.unified_memory
    if case.version < _SINCE or backend is None or shared:
        return
    if backend == "uva" and layers:
        fix = set_to(plan, {"offload-group-size": 0})
        yield _finding(plan, "offload-group-size is ignored with offload-backend uva", "offload-group-size", fix)
    elif whole and (backend == "prefetch" or (backend == "auto" and layers)):
        fix = set_to(plan, {"cpu-offload-gb": 0})
        yield _finding(plan, "cpu-offload-gb is ignored: layers are fetched ahead instead", "cpu-offload-gb", fix)


def _finding(plan: Plan, message: str, key: str, fix: Fix) -> Finding:
    return Finding(RULE.name, "warning", plan.at(key), message, fixes=(fix,))


RULE = Rule("offload-settings-conflict", __doc__ or "", check_plan=check)
