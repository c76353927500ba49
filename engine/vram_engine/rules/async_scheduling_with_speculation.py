"""Asynchronous scheduling is forced with a speculative method that it cannot serve.

What it checks
    Whether async-scheduling is on with drafts that are made on the CPU, up to 0.32.

Why
    vLLM would switch it off by itself but refuses it where it is asked for (vllm/config/vllm.py,
    ``VllmConfig.__post_init__``).

Example
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'
    async-scheduling: true

Fixed
    # vram: gpu=h100-sxm-80 vllm=0.32.0
    max-model-len: 8192
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'
    async-scheduling: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Scheduling that does not wait."""
    return refusal(plan, RULE.name, ("async-scheduling",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"async-scheduling": False})


RULE = Rule("async-scheduling-with-speculation", __doc__ or "", check_plan=check)
