"""Settings for images, sound or video meet a model that takes text alone.

What it checks
    Whether such settings are there for a model without an encoder for them.

Why
    vLLM reads them only for multimodal models (vllm/config/model.py); they do nothing here.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    limit-mm-per-prompt: '{"image": 2}'

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule
from vram_engine.rules.chunked_prefill_off import encodes
from vram_engine.rules.refusing import case_of

_OF_MEDIA = (
    *("limit-mm-per-prompt", "mm-processor-kwargs", "mm-encoder-tp-mode", "mm-processor-cache-gb", "media-io-kwargs"),
    *("mm-processor-cache-type", "mm-encoder-attn-backend", "video-pruning-rate", "skip-mm-profiling"),
)


def check(plan: Plan) -> Iterator[Finding]:
    """Settings that do nothing."""
    case = case_of(plan)
    if case.model is None or case.model.tower or encodes(case.model):
        return
    idle = [name for name in _OF_MEDIA if _is_said(plan, name)]
    if idle:
        message = f"{', '.join(idle)} does nothing: {case.model.architecture} takes text alone"
        yield Finding(RULE.name, "information", plan.at(*idle), message)


def _is_said(plan: Plan, name: str) -> bool:
    setting = plan.deployment.effective(name)
    return setting is not None and setting.origin == "file" and plan.deployment.value(name) not in (None, False)


RULE = Rule("multimodal-settings-on-text-model", __doc__ or "", check_plan=check)
