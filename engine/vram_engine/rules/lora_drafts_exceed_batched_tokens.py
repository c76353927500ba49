"""With LoRA, the drafts of all requests do not fit one step.

What it checks
    With LoRA and speculative decoding: whether max-num-batched-tokens holds max-num-seqs requests with all their
    draft tokens.

Why
    vLLM refuses smaller steps (vllm/engine/arg_utils.py, ``create_engine_config``).

Example
    # vram: gpu=h100-sxm-80
    enable-lora: true
    max-num-seqs: 2048
    max-num-batched-tokens: 4096
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'

Fixed
    # vram: gpu=h100-sxm-80
    enable-lora: true
    max-num-seqs: 2048
    max-num-batched-tokens: 10240
    speculative-config: '{"method": "ngram", "num_speculative_tokens": 4}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.refusals.speculation import draft_tokens
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Drafts that do not fit a step."""
    return refusal(plan, RULE.name, ("max-num-batched-tokens", "max-num-seqs"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    drafts, requests = draft_tokens(case), case.integer("max-num-seqs")
    if drafts is not None and requests is not None:
        yield set_to(plan, {"max-num-batched-tokens": requests * (drafts + 1)})


RULE = Rule("lora-drafts-exceed-batched-tokens", __doc__ or "", check_plan=check)
