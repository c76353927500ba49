"""Fast prefill skips the hidden states that the drafts read.

What it checks
    Whether kv-sharing-fast-prefill is on with a method that reads the target's hidden states (EAGLE, MTP and their
    kin).

Why
    Fast prefill leaves out the end of the prompt's computation; vLLM refuses the pair (vllm/config/vllm.py,
    ``VllmConfig.__post_init__``).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "eagle3", "model": "org/eagle3", "num_speculative_tokens": 3}'
    kv-sharing-fast-prefill: true

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    speculative-config: '{"method": "eagle3", "model": "org/eagle3", "num_speculative_tokens": 3}'
    kv-sharing-fast-prefill: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Drafts without what they read."""
    return refusal(plan, RULE.name, ("kv-sharing-fast-prefill",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"kv-sharing-fast-prefill": False})


RULE = Rule("fast-prefill-with-hidden-state-drafts", __doc__ or "", check_plan=check)
