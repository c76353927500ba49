"""The smallest changes that make a failing deployment fit, each sized again before it is offered.

Tried in the order of what they cost the user: a shorter context, a smaller KV cache dtype, more of the GPUs that are
there, weights quantized while loading, fewer requests at once; then pairs of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from vram_engine.deployment import Deployment, Known, Scalar, Setting
from vram_engine.estimate import Estimate, estimate
from vram_engine.facts.versions import Version
from vram_engine.feasibility import Verdict, fits, gib, headroom
from vram_engine.hardware import Node
from vram_engine.model.spec import ModelSpec
from vram_engine.ranks import engines_here
from vram_engine.refusals import refusals
from vram_engine.resolution import engine_args, workload
from vram_engine.sizing.demand import largest

# Below this a shorter context is no longer the deployment that was asked for.
SHORTEST_CONTEXT = 1024
# vllm/config/vllm.py: --quantization fp8 on a 16-bit checkpoint is deprecated in favour of fp8_per_tensor.
FP8_PER_TENSOR_SINCE = Version(0, 31, 0)
FP8_CAPABILITY = (8, 9)
_LARGEST_TP = 64


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A change of settings, and what it comes to. Bytes per GPU, before and after."""

    title: str
    settings: Mapping[str, Scalar]
    verdict: Verdict
    headroom_bytes: int
    headroom_before: int


@dataclass(frozen=True, slots=True)
class Failing:
    """A deployment that does not fit, with what it was sized from."""

    deployment: Deployment
    spec: ModelSpec
    node: Node
    estimate: Estimate


Settings = Mapping[str, Scalar]
Remedy = Callable[[Failing], Iterator[Settings]]


def recommendations(failing: Failing) -> tuple[Recommendation, ...]:
    """Single changes that fit; where there is none, pairs that do."""
    single = [found for remedy in REMEDIES for found in _first_that_fits(failing, remedy(failing))]
    if single:
        return tuple(single)
    pairs = (pair for first, second in combinations(REMEDIES, 2) for pair in _pairs(failing, first, second))
    return tuple(_first_that_fits(failing, pairs))


def _shorter_context(failing: Failing) -> Iterator[Settings]:
    """The longest context that fits, in whole blocks.

    Found with the memory left as it is now, which hardly depends on the context; where it does, from there downwards.
    """
    budget, demand = failing.estimate.budget, failing.estimate.demand
    asked, block = workload(failing.deployment), budget.block_size or 16
    shortest = min(SHORTEST_CONTEXT, budget.max_model_len // 2)

    def fits_here(blocks: int) -> bool:
        return fits(replace(budget, max_model_len=blocks * block), demand, asked)

    def fits_anew(blocks: int) -> bool:
        return _fits(failing, {"max-model-len": blocks * block})

    most = largest((budget.max_model_len - 1) // block, fits_here)
    if most * block >= shortest and not fits_anew(most):
        most = largest(most - 1, fits_anew)
    if most * block >= shortest:
        yield {"max-model-len": most * block}


def _smaller_kv_cache(failing: Failing) -> Iterator[Settings]:
    capability = failing.node.gpu.capability
    if failing.estimate.kv_is_16bit and capability is not None and capability >= FP8_CAPABILITY:
        yield {"kv-cache-dtype": "fp8"}


def _more_gpus(failing: Failing) -> Iterator[Settings]:
    now = failing.deployment.integer("tensor-parallel-size") or 1
    stages = failing.deployment.integer("pipeline-parallel-size") or 1
    present = (failing.node.count or 1) // max(stages * engines_here(failing.deployment), 1)
    heads = failing.spec.num_attention_heads
    for size in range(now + 1, min(present, _LARGEST_TP) + 1):
        if heads % size == 0:
            yield {"tensor-parallel-size": size}


def _quantized_weights(failing: Failing) -> Iterator[Settings]:
    if failing.deployment.dialect == "profile":
        name = "fp8"
    else:
        name = "fp8_per_tensor" if engine_args(failing.deployment).vllm_version >= FP8_PER_TENSOR_SINCE else "fp8"
    unquantized = failing.spec.quantization is None and failing.deployment.value("quantization") is None
    capability = failing.node.gpu.capability
    if unquantized and capability is not None and capability >= FP8_CAPABILITY:
        yield {"quantization": name}


def _fewer_requests(failing: Failing) -> Iterator[Settings]:
    asked = workload(failing.deployment)
    budget, demand = failing.estimate.budget, failing.estimate.demand
    most = largest(asked.concurrency - 1, lambda requests: fits(budget, demand, replace(asked, concurrency=requests)))
    if most > 0:
        yield {"concurrency": most}


REMEDIES: tuple[Remedy, ...] = (_shorter_context, _smaller_kv_cache, _more_gpus, _quantized_weights, _fewer_requests)


def _pairs(failing: Failing, first: Remedy, second: Remedy) -> Iterator[Settings]:
    """The first remedy's settings, and on top of them the second's."""
    for settings in first(failing):
        changed = _sized(failing, settings)
        if changed is not None:
            for more in second(changed):
                yield {**settings, **more}


def _first_that_fits(failing: Failing, candidates: Iterator[Settings]) -> list[Recommendation]:
    for settings in candidates:
        changed = _sized(failing, settings)
        if changed is not None and _is_fitting(changed):
            return [_recommendation(failing, settings, changed)]
    return []


def _fits(failing: Failing, settings: Settings) -> bool:
    changed = _sized(failing, settings)
    return changed is not None and _is_fitting(changed)


def _is_fitting(sized: Failing) -> bool:
    return fits(sized.estimate.budget, sized.estimate.demand, workload(sized.deployment))


def _sized(failing: Failing, settings: Settings) -> Failing | None:
    """The deployment with other settings, sized again."""
    changes = [Setting(name, Known(value), "argument") for name, value in settings.items()]
    deployment = failing.deployment.with_settings(changes)
    if refusals(deployment, engine_args(deployment), failing.spec, failing.node):
        return None
    sized = estimate(deployment, failing.spec, failing.node)
    if not isinstance(sized, Estimate):
        return None
    return replace(failing, deployment=deployment, estimate=sized)


def _headroom(sized: Failing) -> int:
    return headroom(sized.estimate.budget, sized.estimate.demand, workload(sized.deployment))


def _recommendation(failing: Failing, settings: Settings, changed: Failing) -> Recommendation:
    what = " and ".join(f"{name} to {value}" for name, value in settings.items())
    after = _headroom(changed)
    return Recommendation(f"Set {what}: {gib(after)} free per GPU", dict(settings), "fits", after, _headroom(failing))
