"""A start-up that was measured in place of the modelled terms, where the deployment is the very same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

from vram_engine.hardware import Gpu
from vram_engine.measured import Measured
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.allocator import ALLOCATION_SLACK
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import Term, total
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.startup import Range, Stage, StartupBudget
from vram_engine.sizing.weights import model_dtype

# What stands in for an unknown compute capability, as for the weights themselves.
_ANY_CAPABILITY = (8, 0)

# Arguments that leave the measured terms as they are, or that a Measured names by itself.
_APART = frozenset(
    {
        "vllm_version",
        "tensor_parallel_size",
        "max_num_seqs",
        "max_num_batched_tokens",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "max_model_len",
        "block_size",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "num_gpu_blocks_override",
    }
)
BECAUSE = "measured when this deployment started (vram-lsp.toml)"


def launch(model: str, spec: ModelSpec, gpu: Gpu, args: EngineArgs, limits: Batch) -> Measured:
    """What a deployment launches, as a Measured without anything measured."""
    return Measured(
        model=model,
        gpu=gpu.id,
        vllm_version=args.vllm_version,
        tensor_parallel_size=args.tensor_parallel_size,
        max_num_seqs=limits.max_num_seqs,
        max_num_batched_tokens=limits.max_num_batched_tokens,
        arguments=tuple(sorted(_deciding(_resolved(spec, gpu, args)))),
    )


def _resolved(spec: ModelSpec, gpu: Gpu, args: EngineArgs) -> EngineArgs:
    """The arguments with what vLLM chooses by itself written as if it had not been asked: logs show it chosen."""
    automatic = model_dtype(spec, replace(args, dtype="auto"), gpu.capability or _ANY_CAPABILITY)
    chosen = model_dtype(spec, args, gpu.capability or _ANY_CAPABILITY)
    return replace(
        args,
        dtype="auto" if chosen == automatic else args.dtype,
        quantization=None if spec.quantization is not None else args.quantization,
    )


def _deciding(args: EngineArgs) -> Iterator[tuple[str, str | int | float | bool]]:
    """The arguments beside those a Measured names that change what a rank holds, where they are not the default."""
    for field in fields(args):
        value = getattr(args, field.name)
        if field.name not in _APART and value != field.default:
            yield field.name.replace("_", "-"), value


def measured_for(
    known: Sequence[Measured], model: str | None, spec: ModelSpec, gpu: Gpu, args: EngineArgs, limits: Batch
) -> Measured | None:
    """The latest start-up of the same model, GPU, version, ranks, batch limits and other deciding arguments."""
    if model is None or not known or args.pipeline_parallel_size != 1:
        return None
    asked = launch(model, spec, gpu, args, limits)
    return next((row for row in reversed(known) if row.launch == asked), None)


def calibrated(spent: StartupBudget, row: Measured) -> StartupBudget:
    """The budget of a single pipeline stage with the measured terms; what is left for the KV cache follows them."""
    stage = spent.stages[0]
    parts = _parts(stage, row, graphs_charged=spent.era.graph_estimate_charged)
    left = _left(stage, parts)
    weights = parts[0]
    terms = total(stage.spent.name, stage.spent.because, *parts)
    changed = replace(stage, weights=weights, spent=terms, kv_cache_available=left)
    return replace(spent, stages=(changed,), kv_cache_available=left)


def _parts(stage: Stage, row: Measured, *, graphs_charged: bool) -> tuple[Term, ...]:
    """The terms as measured; what else stays resident, such as sampler state, is part of non-torch then."""
    weights, activation, non_torch, graphs, *resident = stage.spent.parts
    if row.beside_weights_bytes is not None:
        row = replace(row, activation_bytes=0, cuda_graph_bytes=0, non_torch_bytes=row.beside_weights_bytes)
    if row.weights_bytes is not None:
        resident = [part for part in resident if part.name != ALLOCATION_SLACK]
    return (
        _replaced(weights, row.weights_bytes),
        _replaced(activation, row.activation_bytes),
        _replaced(non_torch, row.non_torch_bytes),
        _replaced(graphs, row.cuda_graph_bytes if graphs_charged else None),
        *(resident if row.non_torch_bytes is None else ()),
    )


def _replaced(term: Term, amount: int | None) -> Term:
    return term if amount is None else Term(term.name, amount, BECAUSE, "measured")


def _left(stage: Stage, parts: Sequence[Term]) -> Range:
    """What is left, moved by what the terms changed; their bands, which added up by squares, are taken out."""
    was, old = stage.kv_cache_available, stage.spent.parts
    if was.low == was.high:
        return was
    expected = was.expected + sum(part.bytes for part in old) - sum(part.bytes for part in parts)
    down = (was.expected - was.low) ** 2 - _squares(old, 1) + _squares(parts, 1)
    up = (was.high - was.expected) ** 2 - _squares(old, -1) + _squares(parts, -1)
    return Range(expected - math.isqrt(max(down, 0)), expected, expected + math.isqrt(max(up, 0)))


def _squares(parts: Sequence[Term], sign: int) -> int:
    return sum((part.high - part.bytes if sign > 0 else part.bytes - part.low) ** 2 for part in parts)
