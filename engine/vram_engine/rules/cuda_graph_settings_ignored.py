"""Sizes of CUDA graphs are set while graphs are off.

What it checks
    Whether sizes of CUDA graphs stand beside enforce-eager.

Why
    enforce-eager switches CUDA graphs off, so no size is captured (vllm/config/vllm.py,
    ``VllmConfig.__post_init__``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    cudagraph-capture-sizes: [1, 2, 4]
    enforce-eager: true

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    cudagraph-capture-sizes: [1, 2, 4]
    enforce-eager: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.cuda_graphs import SEVERAL
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.refusing import case_of, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Graphs that are never captured."""
    case = case_of(plan)
    if case.switch("enforce-eager") is not True:
        return
    idle = [name for name in SEVERAL if case.says(name) and plan.deployment.value(name) not in (None, "", "[]")]
    if idle:
        message = f"{', '.join(idle)} does nothing while enforce-eager switches CUDA graphs off"
        fix = set_to(plan, {"enforce-eager": False})
        yield Finding(RULE.name, "warning", plan.at(*idle), message, fixes=(fix,))


RULE = Rule("cuda-graph-settings-ignored", __doc__ or "", check_plan=check)
