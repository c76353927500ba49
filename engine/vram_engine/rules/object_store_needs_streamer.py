"""Weights in an object store need a loader that streams them.

What it checks
    Whether a model at s3://, gs:// or az:// comes with a load-format that cannot read it.

Why
    vLLM refuses others than auto, runai_streamer, runai_streamer_sharded and modelexpress (vllm/config/vllm.py).

Example
    # vram: gpu=h100-sxm-80
    model: s3://models/llama # vram: ignore[model-unknown]
    max-model-len: 8192
    load-format: safetensors

Fixed
    # vram: gpu=h100-sxm-80
    model: s3://models/llama # vram: ignore[model-unknown]
    max-model-len: 8192
    load-format: runai_streamer
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """A loader that reads files."""
    return refusal(plan, RULE.name, ("load-format",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"load-format": "runai_streamer"})


RULE = Rule("object-store-needs-streamer", __doc__ or "", check_plan=check)
