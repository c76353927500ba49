"""Refusals about expert parallelism and what builds on it (vllm/config/parallel.py, vllm/config/vllm.py)."""

from __future__ import annotations

from vram_engine.facts.versions import Version
from vram_engine.refusals.case import Case, whole
from vram_engine.refusals.model_settings import dtype_of

# Exchanges of tokens that two overlapping halves of a batch can use.
_OVERLAPPING = frozenset({"deepep_low_latency", "deepep_high_throughput", "nixl_ep"})
_COUNT_IN_CONFIG = Version(0, 12, 0)


def no_experts(case: Case) -> str | None:
    """vllm/config/model.py, ``_verify_with_expert_parallelism``."""
    if case.model is None or case.model.experts is not None or case.switch("enable-expert-parallel") is not True:
        return None
    return f"vLLM refuses enable-expert-parallel: {case.model.architecture} has no experts"


def balancing_without_experts(case: Case) -> str | None:
    """``_validate_parallel_config``."""
    if case.switch("enable-eplb") is not True or case.switch("enable-expert-parallel") is not False:
        return None
    return "vLLM refuses enable-eplb without enable-expert-parallel"


def balancing_on_one_gpu(case: Case) -> str | None:
    """``_validate_parallel_config``."""
    if case.switch("enable-eplb") is not True or case.switch("enable-expert-parallel") is not True:
        return None
    return None if ranks_of_experts(case) != 1 else "vLLM refuses enable-eplb on one GPU: there is nothing to balance"


def ranks_of_experts(case: Case) -> int | None:
    """Ranks that experts are dealt out to."""
    names = ("tensor-parallel-size", "data-parallel-size", "prefill-context-parallel-size")
    ranks = 1
    for name in names:
        size = case.integer(name, 1)
        if size is None:
            return None
        ranks *= size
    return ranks


def spare_experts_without_balancing(case: Case) -> str | None:
    """``_validate_parallel_config``."""
    config = case.mapping("eplb-config") or {}
    spare = whole(config, "num_redundant_experts")
    if spare is None and case.version < _COUNT_IN_CONFIG:
        spare = case.integer("num-redundant-experts")
    if not spare or case.switch("enable-eplb") is not False:
        return None
    return f"vLLM refuses {spare} redundant experts without enable-eplb"


def elastic_without_balancing(case: Case) -> str | None:
    """``ParallelConfig.__post_init__``."""
    if case.switch("enable-elastic-ep") is not True:
        return None
    if case.switch("enable-eplb") is False:
        return "vLLM refuses enable-elastic-ep without enable-eplb"
    stages = case.integer("pipeline-parallel-size", 1)
    return f"vLLM refuses enable-elastic-ep with pipeline-parallel-size {stages}" if stages and stages > 1 else None


def overlap_without_kernels(case: Case) -> str | None:
    """vllm/config/vllm.py, ``VllmConfig.__post_init__``: microbatches need an exchange that runs beside computation."""
    exchange = case.text("all2all-backend", "allgather_reducescatter")
    overlaps = case.switch("enable-dbo") is True or (case.integer("ubatch-size") or 0) > 1
    if not overlaps or exchange is None or exchange in _OVERLAPPING or case.capability is None:
        return None
    return (
        f"vLLM refuses overlapping microbatches with all2all-backend {exchange}: it needs a deepep or nixl_ep backend"
    )


def moonep_of_other_weights(case: Case) -> str | None:
    """vllm/config/vllm.py, ``VllmConfig.__post_init__``."""
    if case.text("all2all-backend") != "moonep":
        return None
    stored = case.model.quantization.method if case.model is not None and case.model.quantization else None
    method = case.text("quantization") or stored
    if method is not None:
        return f"vLLM refuses all2all-backend moonep with {method} weights: it moves bfloat16 only"
    dtype = dtype_of(case)
    if dtype in (None, "bfloat16"):
        return None
    return f"vLLM refuses all2all-backend moonep with dtype {dtype}: it moves bfloat16 only"
