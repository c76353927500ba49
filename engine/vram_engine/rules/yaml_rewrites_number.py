"""YAML 1.1 turns a value into another number than the one that is written.

What it checks
    Values of vLLM's configuration file that read as an octal number (``010``), a sexagesimal one (``22:22``) or with
    digits lost (``1.10``) although vLLM wants the text as it stands.

Why
    vLLM reads the file with PyYAML and is handed the rewritten number.

Example
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    revision: 0123456
    max-model-len: 8192

Fixed
    # vram: gpu=h100-sxm-80
    model: meta-llama/Llama-3.1-8B-Instruct
    revision: "0123456"
    max-model-len: 8192
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule, remark_findings


def check(plan: Plan) -> Iterator[Finding]:
    """Values that do not reach vLLM as written."""
    return remark_findings(plan, RULE.name, "warning", "Put it in quotes")


RULE = Rule("yaml-rewrites-number", __doc__ or "", check_plan=check)
