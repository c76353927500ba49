"""A configuration file is given with ``--config=FILE``, which vLLM accepts and does not read.

What it checks
    ``--config`` joined to its file by an equals sign. vLLM looks for a word that is exactly ``--config``.

Why
    vLLM starts without a single setting of the file.

Example
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --max-model-len 8192 --config=/etc/vllm.yaml

Fixed
    # vram: gpu=h100-sxm-80
    services:
      vllm:
        image: vllm/vllm-openai:v0.32.0
        command: --max-model-len 8192 --config /etc/vllm.yaml
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.rules.base import Finding, Rule, remark_findings


def check(plan: Plan) -> Iterator[Finding]:
    """Files that are not read."""
    return remark_findings(plan, RULE.name, "warning", "Write option and file as two words")


RULE = Rule("config-file-not-expanded", __doc__ or "", check_plan=check)
