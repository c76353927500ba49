"""The fix that quantizes plain weights while they are loaded, by its name in the release."""

from __future__ import annotations

from collections.abc import Iterator

from vram_engine.hardware import Node
from vram_engine.plan import Plan
from vram_engine.recommend.remedies import FP8_CAPABILITY, FP8_PER_TENSOR_SINCE
from vram_engine.rules.base import Fix
from vram_engine.rules.refusing import set_to


def set_online(plan: Plan) -> Iterator[Fix]:
    """FP8 where the GPU computes in it; a profile has one name for it."""
    capability = plan.node.gpu.capability if isinstance(plan.node, Node) else None
    if capability is None or capability < FP8_CAPABILITY:
        return
    named = plan.deployment.dialect != "profile" and plan.args.vllm_version >= FP8_PER_TENSOR_SINCE
    yield set_to(plan, {"quantization": "fp8_per_tensor" if named else "fp8"})
