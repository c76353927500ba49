"""A LoRA adapter has a larger rank than there is place for.

What it checks
    The ranks of the adapters in lora-modules against max-lora-rank, 16 where it is not given. A rank is read from the
    adapter's adapter_config.json, in the workspace, in the Hugging Face cache, or on the hub where it may be asked;
    other adapters are not judged.

Why
    vLLM loads these adapters before it answers, and ends with "LoRA rank 32 is greater than max_lora_rank 16".

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-lora: true
    lora-modules: sql=examples/adapter

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-lora: true
    lora-modules: sql=examples/adapter
    max-lora-rank: 32
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.facts.flags import flag
from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """An adapter of a larger rank than fits its place."""
    return refusal(plan, RULE.name, ("lora-modules", "max-lora-rank"), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    """The smallest rank that vLLM takes and that takes the adapter in."""
    adapter, known = case.deployment.adapter, flag("max-lora-rank")
    taken = sorted(int(choice) for choice in known.choices) if known is not None else []
    larger = next((each for each in taken if adapter is not None and each >= adapter.rank), None)
    if larger is not None:
        yield set_to(plan, {"max-lora-rank": larger})


RULE = Rule("adapter-rank-exceeds-limit", __doc__ or "", check_plan=check)
