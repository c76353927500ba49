"""Refusals about shares and sizes that every deployment has: memory, number of GPUs, division of the model, length."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.deployment import Unknown
from vram_engine.model.length import derived_max_model_len
from vram_engine.model.spec import ModelSpec
from vram_engine.refusals.case import Case
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.parallelism import Refusal, parallel_refusals
from vram_engine.sizing.weights import weights

# Whether widths divide does not depend on the GPU; kernels that round up do, and they only make it easier.
_ANY_CAPABILITY = (8, 0)


def utilization(case: Case) -> str | None:
    """``gpu_memory_utilization`` outside (0, 1] (vllm/config/cache.py)."""
    value = case.deployment.number("gpu-memory-utilization")
    if value is None or 0 < value <= 1:
        return None
    return f"gpu-memory-utilization is a share of the GPU's memory, above 0 and at most 1; vLLM refuses {value:g}"


def world_size(case: Case) -> str | None:
    """More GPUs than there are (vllm/config/parallel.py, ``ParallelConfig.__post_init__``)."""
    present = case.node.count if case.node is not None else _stated_count(case)
    stages = case.deployment.integer("pipeline-parallel-size") or 1
    size = case.args.tensor_parallel_size
    if present is None or size * stages <= present or _may_have_more(case):
        return None
    pipeline = f" x pipeline-parallel-size {stages}" if stages > 1 else ""
    there = "is 1" if present == 1 else f"are {present}"
    return f"tensor-parallel-size {size}{pipeline} needs {size * stages} GPUs and there {there}"


def _may_have_more(case: Case) -> bool:
    """Whether other machines may take part, or arguments may say so that cannot be read."""
    nodes = case.deployment.effective("nodes")
    return case.hides_settings or isinstance(nodes and nodes.value, Unknown)


def _stated_count(case: Case) -> int | None:
    said = case.deployment.effective("gpus")
    return None if said is None or said.origin == "default" else case.deployment.integer("gpus")


def division(case: Case) -> str | None:
    """Heads and widths that tensor parallelism cannot deal out (vllm/distributed/utils.py, ``divide``)."""
    if case.spec is None or case.spec.shapes_guessed:
        return None
    return division_of(case.spec, case.args)


def division_of(spec: ModelSpec, args: EngineArgs) -> str | None:
    """The same for a model and arguments; stages, experts and quantization have checks of their own."""
    plain = replace(args, pipeline_parallel_size=1, enable_expert_parallel=False, quantization=None)
    for refusal in parallel_refusals(spec, plain):
        return refusal.message
    if args.tensor_parallel_size == 1:
        return None
    unquantized = replace(spec, quantization=None)
    refused = weights(unquantized, plain, _ANY_CAPABILITY)
    if not isinstance(refused, Refusal):
        return None
    whole = weights(unquantized, replace(plain, tensor_parallel_size=1), _ANY_CAPABILITY)
    return None if isinstance(whole, Refusal) else refused.message


def length(case: Case) -> str | None:
    """``max_model_len`` above the model's (vllm/config/model.py, ``_get_and_verify_max_len``)."""
    asked = case.args.max_model_len
    if asked is None or case.spec is None or case.spec.shapes_guessed or case.says("hf-overrides"):
        return None
    derived = longest(case.spec, case.args)
    if asked <= derived:
        return None
    window = " with its sliding window switched off" if case.args.disable_sliding_window else ""
    return (
        f"vLLM refuses: max-model-len {asked:,} is more than the {derived:,} tokens of the model's config.json{window}"
    )


def longest(spec: ModelSpec, args: EngineArgs) -> int:
    """The longest ``max_model_len`` that is taken."""
    return derived_max_model_len(spec, args.vllm_version, disable_sliding_window=args.disable_sliding_window)
