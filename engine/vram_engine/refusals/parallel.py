"""Refusals about stages, context and data parallelism and nodes (vllm/config/parallel.py, engine/arg_utils.py)."""

from __future__ import annotations

from vram_engine.model.caches import MLA, CompressedMLA, WindowedMLA
from vram_engine.model.spec import ModelSpec
from vram_engine.ranks import engines_here
from vram_engine.refusals.case import Case

# Settings that place ranks elsewhere than on this machine, beside those that engines_here knows.
_SPREADS_RANKS = ("nnodes", "nodes", "headless")


def stages_unsupported(case: Case) -> str | None:
    """vllm/config/model.py, ``verify_with_parallel_config``."""
    stages = case.integer("pipeline-parallel-size")
    if case.model is None or case.model.pipeline or stages is None or stages <= 1:
        return None
    return f"vLLM refuses pipeline-parallel-size {stages}: {case.model.architecture} cannot be cut into stages"


def decode_context(case: Case) -> str | None:
    """``_validate_parallel_config``: decode context parallelism reuses the tensor-parallel ranks."""
    ranks, tensor = case.integer("decode-context-parallel-size", 1), case.integer("tensor-parallel-size", 1)
    if ranks is None or tensor is None or ranks == 1 or case.integer("prefill-context-parallel-size", 1) != 1:
        return None
    if tensor % ranks:
        return f"vLLM refuses decode-context-parallel-size {ranks}: it must divide tensor-parallel-size {tensor}"
    return None


def decode_context_of_heads(case: Case) -> str | None:
    """vllm/config/model.py, ``verify_with_parallel_config``: without latent attention it shares repeated KV heads."""
    ranks, tensor = case.integer("decode-context-parallel-size", 1), case.integer("tensor-parallel-size", 1)
    if case.model is None or ranks is None or tensor is None or ranks == 1 or keeps_latents(case.model):
        return None
    heads = case.model.num_key_value_heads
    if heads == 0 or tensor % ranks:
        return None
    if tensor <= heads:
        return (
            f"vLLM refuses decode-context-parallel-size {ranks}: tensor-parallel-size {tensor} must be above the "
            f"model's {heads} KV heads"
        )
    if ranks > tensor // heads:
        return (
            f"vLLM refuses decode-context-parallel-size {ranks}: with tensor-parallel-size {tensor} and {heads} "
            f"KV heads it can be {tensor // heads} at most"
        )
    each = case.model.num_attention_heads // heads
    if each % ranks:
        return f"vLLM refuses decode-context-parallel-size {ranks}: it must divide the {each} query heads of a KV head"
    return None


def keeps_latents(model: ModelSpec) -> bool:
    """Whether the model has latent attention (``ModelConfig.use_mla``)."""
    return any(isinstance(cache, MLA | CompressedMLA | WindowedMLA) for cache in model.caches)


def replicas_exceed_gpus(case: Case) -> str | None:
    """Each data-parallel rank of this machine needs GPUs of its own (vllm/v1/worker/gpu_worker.py)."""
    if case.node is None or case.node.count is None or case.says(*_SPREADS_RANKS):
        return None
    if case.text("distributed-executor-backend", "mp") != "mp":
        return None
    here = engines_here(case.deployment)
    tensor, stages = case.integer("tensor-parallel-size", 1), case.integer("pipeline-parallel-size", 1)
    if here <= 1 or tensor is None or stages is None or tensor * stages > case.node.count:
        return None
    needed = here * tensor * stages
    if needed <= case.node.count:
        return None
    each = f" of {tensor * stages} GPUs each" if tensor * stages > 1 else ""
    return f"{here} data-parallel ranks{each} need {needed} GPUs and there are {case.node.count}"


def local_replicas_exceed_all(case: Case) -> str | None:
    """``_validate_parallel_config``."""
    here, everywhere = case.integer("data-parallel-size-local"), case.integer("data-parallel-size", 1)
    if here is None or everywhere is None or here <= everywhere:
        return None
    return f"vLLM refuses data-parallel-size-local {here} above data-parallel-size {everywhere}"


def balanced_from_outside(case: Case) -> str | None:
    """engine/arg_utils.py, ``create_engine_config``: dense models are served by independent instances instead."""
    replicas = case.integer("data-parallel-size", 1)
    if case.model is None or case.model.experts is not None or replicas is None or replicas <= 1:
        return None
    if case.switch("data-parallel-external-lb") is not True and case.integer("data-parallel-rank") is None:
        return None
    return (
        "vLLM refuses external load balancing over data-parallel ranks of a model without experts: "
        "start independent instances"
    )


_TELL_A_RANK = ("data-parallel-rank", "nnodes", "data-parallel-multi-port-external-lb", "data-parallel-hybrid-lb")


def external_balancer_alone(case: Case) -> str | None:
    """``_validate_parallel_config``."""
    replicas = case.integer("data-parallel-size", 1)
    if replicas is None or replicas > 1:
        return None
    if case.switch("data-parallel-external-lb") is True:
        return "vLLM refuses data-parallel-external-lb without a data-parallel-size above 1"
    if case.integer("data-parallel-rank") is None:
        return None
    return "vLLM refuses data-parallel-rank without a data-parallel-size above 1"


def rank_not_told(case: Case) -> str | None:
    """engine/arg_utils.py, ``create_engine_config``; only several nodes tell a rank by themselves."""
    replicas = case.integer("data-parallel-size")
    if case.switch("data-parallel-external-lb") is not True or replicas is None or replicas <= 1 or case.hides_settings:
        return None
    if case.says(*_TELL_A_RANK) or balanced_from_outside(case) is not None:
        return None
    return "vLLM refuses data-parallel-external-lb without data-parallel-rank: every instance has a rank of its own"


def several_ranks_here(case: Case) -> str | None:
    """engine/arg_utils.py, ``create_engine_config``."""
    here = case.integer("data-parallel-size-local")
    if here is None or here == 1 or balanced_from_outside(case) is not None:
        return None
    if case.switch("data-parallel-external-lb") is not True and case.integer("data-parallel-rank") is None:
        return None
    return f"vLLM refuses data-parallel-size-local {here} with external load balancing: an instance is one rank"


def hybrid_balancer(case: Case) -> str | None:
    """engine/arg_utils.py, ``create_engine_config``."""
    if case.switch("data-parallel-hybrid-lb") is not True:
        return None
    if case.switch("data-parallel-external-lb") is True:
        return "vLLM refuses data-parallel-hybrid-lb together with data-parallel-external-lb: choose one"
    absent = not case.says("data-parallel-size-local", "data-parallel-rank", "nnodes") and not case.hides_settings
    return "vLLM refuses data-parallel-hybrid-lb without data-parallel-size-local" if absent else None


def nodes_divide(case: Case) -> str | None:
    """engine/arg_utils.py, ``create_engine_config``: every node gets equally many ranks."""
    nodes, world = case.integer("nnodes", 1), ranks(case)
    if nodes is None or nodes <= 1 or world is None or world % nodes == 0:
        return None
    return f"vLLM refuses nnodes {nodes}: it must divide the {world} ranks of the engine"


_WORLD = ("data-parallel-size", "tensor-parallel-size", "pipeline-parallel-size", "prefill-context-parallel-size")


def ranks(case: Case) -> int | None:
    """Processes of the engine over all nodes."""
    world = 1
    for name in _WORLD:
        size = case.integer(name, 1)
        if size is None:
            return None
        world *= size
    return world


def rank_of_node(case: Case) -> str | None:
    """engine/arg_utils.py, ``create_engine_config``."""
    nodes, rank = case.integer("nnodes", 1), case.integer("node-rank")
    if nodes is None or nodes <= 1 or rank is None or 0 <= rank < nodes:
        return None
    return f"vLLM refuses node-rank {rank} of {nodes} nodes: they are counted from 0 to {nodes - 1}"


def nodes_without_processes(case: Case) -> str | None:
    """``ParallelConfig.__post_init__``."""
    nodes, executor = case.integer("nnodes", 1), case.text("distributed-executor-backend", "mp")
    if nodes is None or nodes <= 1 or executor != "ray":
        return None
    return f"vLLM refuses nnodes {nodes} with distributed-executor-backend ray: Ray places the ranks itself"


def cores_without_binding(case: Case) -> str | None:
    """``_validate_parallel_config``."""
    if not case.says("numa-bind-nodes", "numa-bind-cpus") or case.switch("numa-bind") is not False:
        return None
    return "vLLM refuses numa-bind-nodes and numa-bind-cpus without numa-bind"
