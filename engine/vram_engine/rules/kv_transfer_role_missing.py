"""The KV connector is not told whether it sends or receives.

What it checks
    Whether kv-transfer-config names a kv_role, and one that vLLM knows, beside its kv_connector.

Why
    vLLM refuses a connector without a role (vllm/config/kv_transfer.py).

Example
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    kv-transfer-config: '{"kv_connector": "NixlConnector"}'

Fixed
    # vram: gpu=h100-sxm-80
    max-model-len: 8192
    kv-transfer-config: '{"kv_connector": "NixlConnector", "kv_role": "kv_both"}'
"""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.plan import Plan
from vram_engine.refusals.case import Case
from vram_engine.rules.base import Finding, Fix, Rule
from vram_engine.rules.refusing import refusal, written_as


def check(plan: Plan) -> Iterator[Finding]:
    """A connector without a part to play."""
    return refusal(plan, RULE.name, ("kv-transfer-config",), _fixes)


def _fixes(plan: Plan, case: Case) -> Iterator[Fix]:
    more = {**(case.mapping("kv-transfer-config") or {}), "kv_role": "kv_both"}
    yield written_as(plan, "Send and receive: kv_both", "kv-transfer-config", more)


RULE = Rule("kv-transfer-role-missing", __doc__ or "", check_plan=check)
