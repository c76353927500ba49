"""What vLLM takes where a deployment leaves out the flags that decide most, and why."""

from __future__ import annotations

from dataclasses import dataclass

from vram_engine.estimate import Estimate
from vram_engine.hardware import Node
from vram_engine.model.reference import FoundModel
from vram_engine.plan import Plan
from vram_engine.sizing.batch import batch
from vram_engine.sizing.eras import era


@dataclass(frozen=True, slots=True)
class Default:
    """What applies for a flag that is not given, and why."""

    name: str
    value: int | float
    why: str


def defaults(plan: Plan, sized: Estimate) -> tuple[Default, ...]:
    """What vLLM chooses for the flags that decide most; the rule of thumb has no such choices."""
    if sized.budget.estimator != "startup" or not isinstance(plan.model, FoundModel) or not isinstance(plan.node, Node):
        return ()
    spec, args, gpu, length = plan.model.spec, plan.args, plan.node.gpu, sized.budget.max_model_len
    limits = batch(args, gpu, length, spec)
    share = args.gpu_memory_utilization or era(spec, args, gpu.capability).gpu_memory_utilization
    found = (
        Default("max-model-len", length, "the model's own length"),
        Default("max-num-seqs", limits.max_num_seqs, limits.seqs_why),
        Default("max-num-batched-tokens", limits.max_num_batched_tokens, limits.tokens_why),
        Default("gpu-memory-utilization", share, _whose_share(plan)),
    )
    return tuple(each for each in found if _is_left_out(plan, each.name))


def _whose_share(plan: Plan) -> str:
    own = plan.deployment.effective("gpu-memory-utilization") is not None
    return "the profile's own" if own else f"default of vLLM {plan.args.vllm_version}"


def _is_left_out(plan: Plan, name: str) -> bool:
    setting = plan.deployment.effective(name)
    return setting is None or setting.origin == "default"
