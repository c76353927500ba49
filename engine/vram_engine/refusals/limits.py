"""Refusals about shares and sizes that every deployment has: memory, number of GPUs, division of the model, length."""

from __future__ import annotations

from dataclasses import replace

from vram_engine.deployment import Unknown
from vram_engine.engine_variables import ALLOW_LONG, is_on
from vram_engine.model.caches import SlidingWindow
from vram_engine.model.length import derived_max_model_len
from vram_engine.model.spec import Embedding, Linear, ModelSpec, Module, Parameter, RoutedExperts
from vram_engine.ranks import engines_here
from vram_engine.refusals.case import Case
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.parallelism import Refusal, expert_share, local_units, padded_vocab, parallel_refusals
from vram_engine.sizing.weights import weights

# Whether widths divide does not depend on the GPU; kernels that round up do, and they only make it easier.
_ANY_CAPABILITY = (8, 0)

# Wheels and images of every release are compiled for these and newer; PyTorch 2.11 has no kernels for Volta.
LEAST_CAPABILITY = (7, 0)
LEAST_CAPABILITY_NOW = (7, 5)


def utilization(case: Case) -> str | None:
    """``gpu_memory_utilization`` outside (0, 1] (vllm/config/cache.py)."""
    value = case.deployment.number("gpu-memory-utilization")
    if value is None or 0 < value <= 1:
        return None
    return f"gpu-memory-utilization is a share of the GPU's memory, above 0 and at most 1; vLLM refuses {value:g}"


def gpu_without_kernels(case: Case) -> str | None:
    """A GPU older than Volta (``CUDA_SUPPORTED_ARCHS`` of vLLM's CMakeLists.txt); Triton compiles nothing for it."""
    return _older_than(case, LEAST_CAPABILITY, "vLLM's releases need")


def volta_without_kernels(case: Case) -> str | None:
    """A GPU older than Turing: since vLLM is built with PyTorch 2.11, for CUDA 13 and 12.9, neither has kernels."""
    return _older_than(case, LEAST_CAPABILITY_NOW, f"the builds of vLLM {case.version} need")


def _older_than(case: Case, least: tuple[int, int], needed_by: str) -> str | None:
    capability = case.capability
    if case.node is None or capability is None or capability >= least:
        return None
    need, have = (f"{major}.{minor}" for major, minor in (least, capability))
    return f"{needed_by} compute capability {need}; the {case.node.gpu.name} has {have}"


def world_size(case: Case) -> str | None:
    """More GPUs than there are (vllm/config/parallel.py, ``ParallelConfig.__post_init__``), unless Ray finds them."""
    return None if case.text("distributed-executor-backend", "mp") == "ray" else _beyond_gpus(case)


def waits_for_gpus(case: Case) -> str | None:
    """More GPUs than there are where Ray hands them out: it waits for them (v1/executor/ray_utils.py)."""
    message = _beyond_gpus(case) if case.text("distributed-executor-backend", "mp") == "ray" else None
    return None if message is None else f"{message}: Ray waits half an hour for the others, and then vLLM gives up"


def _beyond_gpus(case: Case) -> str | None:
    present = case.node.count if case.node is not None else _stated_count(case)
    stages = case.deployment.integer("pipeline-parallel-size") or 1
    size = case.args.tensor_parallel_size
    if present is None or size * stages <= present or _may_have_more(case) or engines_here(case.deployment) == 0:
        return None
    pipeline = f" x pipeline-parallel-size {stages}" if stages > 1 else ""
    there = "is 1" if present == 1 else f"are {present}"
    return f"tensor-parallel-size {size}{pipeline} needs {size * stages} GPUs and there {there}"


def _may_have_more(case: Case) -> bool:
    """Whether other machines may take part, or arguments may say so that cannot be read."""
    nodes = case.deployment.effective("nodes")
    return case.integer("nnodes", 1) != 1 or isinstance(nodes and nodes.value, Unknown)


def _stated_count(case: Case) -> int | None:
    said = case.deployment.effective("gpus")
    return None if said is None or said.origin == "default" else case.deployment.integer("gpus")


def division(case: Case) -> str | None:
    """Heads and widths that tensor parallelism cannot deal out (vllm/distributed/utils.py, ``divide``)."""
    if case.spec is None or case.spec.shapes_guessed:
        return None
    return division_of(case.spec, case.args)


def division_of(spec: ModelSpec, args: EngineArgs) -> str | None:
    """The same for a model and arguments; stages, missing experts and quantization have checks of their own."""
    whole_experts = args.enable_expert_parallel and spec.experts is not None
    plain = replace(args, pipeline_parallel_size=1, enable_expert_parallel=whole_experts, quantization=None)
    for refusal in parallel_refusals(spec, plain):
        return refusal.message
    if args.tensor_parallel_size == 1 or _deals_out(spec, plain):
        return None
    unquantized = replace(spec, quantization=None)
    refused = weights(unquantized, plain, _ANY_CAPABILITY)
    if not isinstance(refused, Refusal):
        return None
    whole = weights(unquantized, replace(plain, tensor_parallel_size=1), _ANY_CAPABILITY)
    return None if isinstance(whole, Refusal) else refused.message


def _deals_out(spec: ModelSpec, args: EngineArgs) -> bool:
    """Whether every width of the model divides, which most do and is quickly seen; towers may be left out or whole."""
    ranks, slices = args.tensor_parallel_size, expert_share(1, args).slices
    return all(_is_dealt_out(module, ranks, slices) for block in spec.modules for module in block.modules)


def _is_dealt_out(module: Module, ranks: int, slices: int) -> bool:
    if isinstance(module, RoutedExperts):
        return module.width % slices == 0
    if isinstance(module, Embedding):
        return padded_vocab(module.vocab, module.padding) % ranks == 0
    if isinstance(module, Linear) and module.split == "row":
        return module.cols % ranks == 0
    if not isinstance(module, Linear | Parameter) or module.split in (False, "none"):
        return True
    return not any(isinstance(local_units(part, ranks), Refusal) for part in module.parts)


def length(case: Case) -> str | None:
    """``max_model_len`` above the model's, unless a variable allows it or may (``_get_and_verify_max_len``)."""
    asked = case.args.max_model_len
    if asked is None or case.spec is None or case.spec.shapes_guessed or case.says("hf-overrides", "rope-scaling"):
        return None
    if is_on(case.deployment, ALLOW_LONG) is not False:
        return None
    derived = longest(case.spec, case.args)
    if asked <= derived:
        return None
    window = " with its sliding window switched off" if loses_a_window(case.spec, case.args) else ""
    return (
        f"vLLM refuses: max-model-len {asked:,} is more than the {derived:,} tokens of the model's config.json{window}"
    )


def longest(spec: ModelSpec, args: EngineArgs) -> int:
    """The longest ``max_model_len`` that is taken."""
    return derived_max_model_len(spec, args.vllm_version, disable_sliding_window=loses_a_window(spec, args))


def loses_a_window(spec: ModelSpec, args: EngineArgs) -> bool:
    """Whether there is a sliding window to switch off; a config may name one that its layers do not use."""
    return args.disable_sliding_window and any(isinstance(cache, SlidingWindow) for cache in spec.caches)
