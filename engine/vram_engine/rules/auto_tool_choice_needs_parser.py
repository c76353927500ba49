"""Automatic tool choice lacks the parser for tool calls.

What it checks
    Whether enable-auto-tool-choice comes with tool-call-parser.

Why
    vLLM stops with "--enable-auto-tool-choice requires --tool-call-parser" (vllm/entrypoints,
    ``validate_parsed_serve_args``).

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-auto-tool-choice: true

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    max-model-len: 8192
    enable-auto-tool-choice: false
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, set_to


def check(plan: Plan) -> Iterator[Finding]:
    """Tools nobody reads."""
    return refusal(plan, RULE.name, ("enable-auto-tool-choice",), _fixes)


def _fixes(plan: Plan, _: Case) -> Iterator[Fix]:
    yield set_to(plan, {"enable-auto-tool-choice": False})


RULE = Rule("auto-tool-choice-needs-parser", __doc__ or "", check_plan=check)
