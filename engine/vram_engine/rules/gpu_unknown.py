"""Nothing says which GPU the deployment runs on, or no GPU has that name, so there is no verdict.

What it checks
    The GPU named by the file, a ``# vram: gpu=...`` comment, the project file, the editor's settings, or found in this
    machine. Hovering shows what the deployment needs and which GPUs it fits.

Why
    Whether something fits depends on the GPU, and a guess would be worth nothing.

Example
    # vram: gpu=h1000
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.model.spec import Unavailable
from vram_engine.plan import Plan, place_of
from vram_engine.resolution import NoGpu
from vram_engine.rules.base import Finding, Fix, ReplaceText, ReplaceValue, Rule
from vram_engine.syntax.route import Place


def check(plan: Plan) -> Iterator[Finding]:
    """There is no GPU to size for."""
    if not isinstance(plan.node, NoGpu) or isinstance(plan.model, Unavailable):
        return
    if plan.ref is None and plan.model is None:
        return
    hint = "" if plan.node.setting is not None else "; say it in a comment: # vram: gpu=h100-sxm-80 gpus=1"
    message = f"no verdict: {plan.node.reason}{hint}"
    yield Finding(RULE.name, "information", plan.at("gpu"), message, fixes=_fixes(plan.node))


def _fixes(missing: NoGpu) -> tuple[Fix, ...]:
    where = place_of(missing.setting)
    if isinstance(where, Place):
        return tuple(Fix(f"Write {gpu}", ReplaceValue(where, gpu)) for gpu in missing.candidates)
    if where is not None and missing.setting is not None and missing.setting.origin == "directive":
        return tuple(Fix(f"Write gpu={gpu}", ReplaceText(where, f"gpu={gpu}")) for gpu in missing.candidates)
    return ()


RULE = Rule("gpu-unknown", __doc__ or "", check_plan=check)
