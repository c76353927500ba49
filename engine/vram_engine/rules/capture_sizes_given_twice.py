"""The sizes of CUDA graphs are given in two places.

What it checks
    Whether cudagraph-capture-sizes or max-cudagraph-capture-size stands beside the same key in compilation-config.

Why
    vLLM refuses to choose between them (vllm/engine/arg_utils.py, ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    cudagraph-capture-sizes: [1, 2, 4, 8]
    compilation-config: '{"cudagraph_capture_sizes": [1, 2], "mode": 3}'

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    cudagraph-capture-sizes: [1, 2, 4, 8]
    compilation-config: '{"mode": 3}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.cuda_graphs import SEVERAL
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, written_as


def check(plan: Plan) -> Iterator[Finding]:
    """The same in two places."""
    return refusal(plan, RULE.name, ("compilation-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    doubled = {name.replace("-", "_") for name in SEVERAL if case.says(name)}
    compilation = case.mapping("compilation-config") or {}
    once = {key: value for key, value in compilation.items() if key not in doubled}
    yield written_as(plan, "Take it out of compilation-config", "compilation-config", once)


RULE = Rule("capture-sizes-given-twice", __doc__ or "", check_plan=check)
