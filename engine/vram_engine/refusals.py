"""What vLLM refuses whatever the memory: certain from the settings, the model and the number of GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vram_engine.adapters import larger_than_allowed, ranks_taken
from vram_engine.deployment import Deployment, Unknown
from vram_engine.hardware import Node
from vram_engine.lent import FilesKnown
from vram_engine.model.length import derived_max_model_len
from vram_engine.model.spec import ModelSpec
from vram_engine.ranks import engines_here
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.parallelism import parallel_refusals

Topic = Literal["utilization", "world-size", "division", "length", "adapter"]


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal: what it is about, vLLM's reason in a sentence, and the least value that would do, if one does."""

    topic: Topic
    message: str
    needed: int | None = None


def refusals(
    deployment: Deployment,
    args: EngineArgs,
    spec: ModelSpec | None,
    node: Node | None,
    files: FilesKnown = MappingProxyType({}),
) -> tuple[Refused, ...]:
    """Every refusal that can be seen; a model of guessed shapes is refused nothing. ``files`` describe adapters."""
    found = [*_utilization(deployment), *_world_size(deployment, args, node)]
    found += _adapters(deployment, args, files)
    if spec is not None and not spec.shapes_guessed:
        found += [Refused("division", refusal.message) for refusal in parallel_refusals(spec, args)[:1]]
        found += _length(deployment, args, spec)
    return tuple(found)


def _adapters(deployment: Deployment, args: EngineArgs, files: FilesKnown) -> Iterator[Refused]:
    too_large = larger_than_allowed(deployment, args, files)
    if too_large is not None:
        name, rank = too_large
        message = f"the adapter {name} is of rank {rank}, and max-lora-rank is {args.max_lora_rank}"
        yield Refused("adapter", message, next((each for each in ranks_taken() if each >= rank), None))


def _utilization(deployment: Deployment) -> Iterator[Refused]:
    value = deployment.number("gpu-memory-utilization")
    if value is not None and not 0 < value <= 1:
        yield Refused(
            "utilization",
            f"gpu-memory-utilization is a share of the GPU's memory, above 0 and at most 1; vLLM refuses {value:g}",
        )


def _world_size(deployment: Deployment, args: EngineArgs, node: Node | None) -> Iterator[Refused]:
    present = node.count if node is not None else _stated_count(deployment)
    stages = deployment.integer("pipeline-parallel-size") or 1
    size, engines = args.tensor_parallel_size, engines_here(deployment)
    if _may_have_more(deployment):
        return
    if present is not None and size * stages * engines > present:
        factors = {"pipeline-parallel-size": stages, _engines_said(deployment): engines}
        more = "".join(f" x {name} {factor}" for name, factor in factors.items() if factor > 1)
        there = "is 1" if present == 1 else f"are {present}"
        needs = f"tensor-parallel-size {size}{more} needs {size * stages * engines} GPUs and there {there}"
        yield Refused("world-size", needs)


def _engines_said(deployment: Deployment) -> str:
    local = deployment.effective("data-parallel-size-local") is not None
    return "data-parallel-size-local" if local else "data-parallel-size"


def _may_have_more(deployment: Deployment) -> bool:
    """Whether other machines may take part, or arguments may say so that cannot be read."""
    nodes = deployment.effective("nodes")
    return deployment.effective("more-arguments") is not None or isinstance(nodes and nodes.value, Unknown)


def _stated_count(deployment: Deployment) -> int | None:
    said = deployment.effective("gpus")
    return None if said is None or said.origin == "default" else deployment.integer("gpus")


def _length(deployment: Deployment, args: EngineArgs, spec: ModelSpec) -> Iterator[Refused]:
    derived = derived_max_model_len(spec, args.vllm_version)
    asked = args.max_model_len
    # --hf-overrides can change the length that vLLM derives.
    if asked is not None and asked > derived and deployment.effective("hf-overrides") is None:
        yield Refused(
            "length",
            f"vLLM refuses: max-model-len {asked:,} is more than the {derived:,} tokens of the model's config.json",
        )
