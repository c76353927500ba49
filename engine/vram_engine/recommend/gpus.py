"""On which GPUs a deployment fits, and how many of each: of the catalogue, or more of those that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from vram_engine.deployment import Deployment, Scalar
from vram_engine.facts.gpus import all_gpus
from vram_engine.hardware import Gpu, Node
from vram_engine.model.spec import ModelSpec
from vram_engine.recommend.case import Case, changed, sized
from vram_engine.recommend.goal import Goal

# vLLM's CUDA build starts at Volta.
_OLDEST = (7, 0)
# GPUs of one machine share their links; beyond, layers are dealt out to machines.
_IN_A_MACHINE = 8
_COUNTS = (1, 2, 4, 8)
_MORE = (2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Fitting:
    """The fewest GPUs of one kind that serve a goal, and the settings that divide the model over them."""

    gpu: Gpu
    count: int
    settings: Mapping[str, Scalar]


def candidates() -> Iterator[Gpu]:
    """The GPUs of the catalogue that vLLM's CUDA build runs on, smallest memory first."""
    known = (gpu for gpu in all_gpus() if gpu.capability is not None and gpu.capability >= _OLDEST)
    yield from sorted((gpu for gpu in known if not gpu.unified_memory), key=lambda gpu: (gpu.memory_bytes, gpu.id))


def fitting_gpus(case: Case) -> Iterator[Fitting]:
    """Every GPU of the catalogue on which the deployment fits, with how many it takes in one machine."""
    for gpu in candidates():
        found = _fewest(case, gpu, _COUNTS)
        if found is not None:
            yield found


def more_gpus(case: Case) -> Fitting | None:
    """The fewest GPUs of the kind that is there, more than there are, on which nothing else has to change."""
    present = case.node.count or case.deployment.integer("tensor-parallel-size") or 1
    return _fewest(case, case.node.gpu, tuple(count for count in _MORE if count > present))


def _fewest(case: Case, gpu: Gpu, counts: tuple[int, ...]) -> Fitting | None:
    for count in counts:
        divided = _over(case.deployment, case.spec, count)
        settings = None if divided is None else {**divided, **_length(case.goal)}
        if settings is not None and _serves(case, gpu, count, settings):
            return Fitting(gpu, count, settings)
    return None


def _length(goal: Goal) -> Mapping[str, Scalar]:
    """The length, where the user insists on one."""
    insists = goal.tokens_said and goal.least_tokens == goal.tokens
    return {"max-model-len": goal.tokens} if insists else {}


def _over(deployment: Deployment, spec: ModelSpec, count: int) -> Mapping[str, Scalar] | None:
    """How the model is divided over ``count`` GPUs: tensors in a machine, layers over machines."""
    size = min(count, _IN_A_MACHINE)
    stages = count // size
    if stages > 1 and not spec.pipeline:
        return None
    wanted = {"tensor-parallel-size": size, "pipeline-parallel-size": stages}
    return {name: value for name, value in wanted.items() if (deployment.integer(name) or 1) != value}


def _serves(case: Case, gpu: Gpu, count: int, settings: Mapping[str, Scalar]) -> bool:
    there = changed(case.deployment, {"gpus": count})
    after = sized(replace(case, deployment=there, node=Node(gpu, count)), settings, case.spec)
    return after is not None and after.fits
