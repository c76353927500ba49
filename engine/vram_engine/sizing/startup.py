"""vLLM's own start-up accounting: what is asked for, what each rank spends, what is left for the KV cache.

Follows ``Worker.determine_available_memory`` (``v1/worker/gpu_worker.py``) and its ancestors by version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vram_engine.facts.constants import constant
from vram_engine.hardware import Gpu
from vram_engine.model.spec import ModelSpec, Unavailable
from vram_engine.sizing.activations import activations
from vram_engine.sizing.allocator import allocation_slack
from vram_engine.sizing.batch import Batch, batch
from vram_engine.sizing.budget import Term, total
from vram_engine.sizing.cuda_graphs import graph_estimate, graphs
from vram_engine.sizing.drafts import draft_state
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era, era
from vram_engine.sizing.non_torch import cuda_context, non_torch
from vram_engine.sizing.sampler import sampler_state
from vram_engine.sizing.speculative import NGRAM, cannot_draft, drafter, drafting_state


@dataclass(frozen=True, slots=True)
class Range:
    """An amount in bytes with the band it may lie in; may be negative."""

    low: int
    expected: int
    high: int


@dataclass(frozen=True, slots=True)
class FreeMemoryCheck:
    """vLLM refuses to start when less is free than ``requested`` (``request_memory``)."""

    free: int
    requested: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage, per tensor-parallel rank: what it spends and what that leaves for the KV cache.

    ``outside`` is what comes on top of the share asked for, once the KV cache is allocated.
    """

    weights: Term
    spent: Term
    kv_cache_available: Range
    outside: Term


@dataclass(frozen=True, slots=True)
class StartupBudget:
    """The budget of one engine. ``stages`` are pipeline stages; ``kv_cache_available`` is the fullest one's.

    ``requested`` is gpu_memory_utilization's share of the device in bytes, ``slack`` the rest of the device.
    ``free_memory`` is the check that comes before everything else, ``None`` where nothing says how much is free or
    the release does not check.
    """

    requested: int
    slack: int
    stages: tuple[Stage, ...]
    kv_cache_available: Range
    batch: Batch
    era: Era
    free_memory: FreeMemoryCheck | None = None


def startup(
    spec: ModelSpec,
    args: EngineArgs,
    gpu: Gpu,
    weights: tuple[Term, ...],
    *,
    max_model_len: int,
    memory_bytes: int | None = None,
    free_bytes: int | None = None,
) -> StartupBudget | Unavailable:
    """Follow vLLM's accounting for one engine; ``weights`` is one Term per pipeline stage, per rank.

    ``memory_bytes`` replaces the catalogue's total; ``free_bytes`` is what is free before the engine starts.
    """
    if not weights:
        return Unavailable("the weights are not known")
    if min(args.tensor_parallel_size, args.pipeline_parallel_size, args.data_parallel_size) < 1:
        return Unavailable("a parallel size must be at least 1")
    if args.gpu_memory_utilization is not None and not 0 < args.gpu_memory_utilization <= 1:
        return Unavailable("gpu_memory_utilization must be above 0 and at most 1")
    if (refused := cannot_draft(spec, args, gpu)) is not None:
        return refused
    regime = era(spec, args, gpu.capability)
    limits = batch(args, gpu, max_model_len, spec)
    device = _device(gpu, memory_bytes)
    utilization = regime.gpu_memory_utilization if args.gpu_memory_utilization is None else args.gpu_memory_utilization
    requested = Range(*(math.ceil(total * utilization) for total in (device.low, device.expected, device.high)))
    slacks = _slacks(spec, args, gpu, weights)
    stages = tuple(
        _stage(
            spec,
            args,
            gpu,
            regime,
            limits,
            requested,
            weight,
            slack=slacks[index],
            max_model_len=max_model_len,
            first=index == 0,
            last=index == len(weights) - 1,
        )
        for index, weight in enumerate(weights)
    )
    checked = free_bytes is not None and regime.free_memory_checked
    return StartupBudget(
        requested=requested.expected,
        slack=device.expected - requested.expected,
        stages=stages,
        kv_cache_available=min((stage.kv_cache_available for stage in stages), key=lambda left: left.expected),
        batch=limits,
        era=regime,
        free_memory=FreeMemoryCheck(free_bytes, requested.expected) if checked and free_bytes is not None else None,
    )


def _slacks(spec: ModelSpec, args: EngineArgs, gpu: Gpu, weights: tuple[Term, ...]) -> tuple[Term | None, ...]:
    """What the allocator adds to the weights of each stage; ``None`` where they were measured, slack included."""
    measured = any(weight.basis == "measured" for weight in weights)
    known = () if measured or gpu.capability is None else allocation_slack(spec, args, gpu.capability)
    return known if len(known) == len(weights) else (None,) * len(weights)


def _device(gpu: Gpu, memory_bytes: int | None) -> Range:
    """The device's total: what is known of the very card, or the extremes that drivers report for its kind."""
    expected = gpu.memory_bytes if memory_bytes is None else memory_bytes
    low = gpu.memory_low if memory_bytes is None else memory_bytes
    high = gpu.memory_high if memory_bytes is None else memory_bytes
    odds = constant("device_permille")
    return Range(low + expected * odds.low // 1000, expected, high + expected * odds.high // 1000)


def overridden(budget: StartupBudget, bytes_per_block: Sequence[int], num_gpu_blocks: int) -> StartupBudget:
    """The budget under ``num_gpu_blocks_override``: the KV cache is that many blocks, whatever was left for it.

    ``bytes_per_block`` is one figure per stage. Releases that override after the fit check keep what they measured.
    """
    if not budget.era.override_checked:
        return budget
    stages = tuple(
        replace(stage, kv_cache_available=_exactly(num_gpu_blocks * block))
        for stage, block in zip(budget.stages, bytes_per_block, strict=True)
    )
    fullest = min((stage.kv_cache_available for stage in stages), key=lambda left: left.expected)
    return replace(budget, stages=stages, kv_cache_available=fullest)


def _left(requested: Range, parts: Sequence[Term]) -> Range:
    """What the parts leave of the share asked for. They err independently, so that their bands add up by squares."""
    left = requested.expected - sum(part.bytes for part in parts)
    down = math.hypot(requested.expected - requested.low, *(part.high - part.bytes for part in parts))
    up = math.hypot(requested.high - requested.expected, *(part.bytes - part.low for part in parts))
    return Range(left - math.ceil(down), left, left + math.ceil(up))


def _exactly(amount: int) -> Range:
    return Range(amount, amount, amount)


def _stage(
    spec: ModelSpec,
    args: EngineArgs,
    gpu: Gpu,
    regime: Era,
    limits: Batch,
    requested: Range,
    weights: Term,
    *,
    slack: Term | None,
    max_model_len: int,
    first: bool,
    last: bool,
) -> Stage:
    parts = [
        weights,
        activations(spec, args, limits, regime, gpu, first_stage=first, last_stage=last),
        non_torch(args, regime, gpu),
        graph_estimate(spec, args, limits, regime, gpu),
    ]
    if slack is not None:
        parts.append(slack)
    if regime.sampler_state_charged and last:
        parts.append(sampler_state(spec, limits))
    state = _drafting(spec, args, regime, limits, max_model_len, last=last)
    if regime.accounting == "consumed":
        parts.extend(state)
    spent = total("spent before the KV cache", "weights and everything vLLM measures beside them", *parts)
    left = _left(requested, parts)
    if args.kv_cache_memory_bytes is not None:
        left = _exactly(args.kv_cache_memory_bytes)
    return Stage(weights, spent, left, _outside(spec, args, gpu, regime, limits, state))


def _drafting(
    spec: ModelSpec, args: EngineArgs, regime: Era, limits: Batch, max_model_len: int, *, last: bool
) -> tuple[Term, ...]:
    """What drafting keeps from before the profile run; only releases that measure the device see it."""
    draft = drafter(spec, args)
    if draft is not None:
        return (draft_state(spec, draft, args, regime, limits),) if last else ()
    if args.speculative_method in NGRAM:
        return (drafting_state(args, limits.max_num_seqs, max_model_len, last_stage=last),)
    return ()


def _outside(
    spec: ModelSpec, args: EngineArgs, gpu: Gpu, regime: Era, limits: Batch, drafting: tuple[Term, ...]
) -> Term:
    """What the share asked for does not cover.

    The context and what drafting keeps where they are not charged, and graphs not set aside for.
    """
    parts = list(drafting) if regime.accounting != "consumed" else []
    if regime.accounting != "device use":
        parts.append(cuda_context())
    if not regime.graph_estimate_charged:
        parts.append(graphs(spec, args, limits, regime, gpu))
    return total("outside the share", "taken once the KV cache is allocated", *parts)
