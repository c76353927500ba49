"""CUDA graphs: which batch sizes vLLM captures, and the memory it sets aside for them before sizing the KV cache.

Sizes follow ``VllmConfig._set_cudagraph_sizes`` (``vllm/config/vllm.py``); the estimate follows
``profile_cudagraph_memory`` of the model runners, which captures a few graphs and extrapolates.
"""

from __future__ import annotations

from dataclasses import replace

from vram_engine.facts.constants import constant
from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model.caches_kinds import MLA, CompressedMLA
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.attention_workspace import attention_workspace
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import MIB, Term, total
from vram_engine.sizing.drafts import draft_graphs
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import V2_ALL, Era
from vram_engine.sizing.forward import step_peak
from vram_engine.sizing.lora import has_adapters
from vram_engine.sizing.non_torch import meshed
from vram_engine.sizing.speculative import captures_whole_steps, drafter

CEILING = 512
BLACKWELL_CEILING = 1024
BLACKWELL_CEILING_SINCE = Version(0, 28, 0)
BY_SEQS_SINCE = Version(0, 10, 2)
WIDER_STEP_SINCE = Version(0, 12, 0)
FULL_GRAPHS_SINCE = Version(0, 11, 0)
ALL_REQUESTS_SINCE = Version(0, 31, 0)
WIDER_STEP_FROM = 256
# With the performance mode "interactivity" every size up to this one is captured.
FINE_GRAINED = 32
# vLLM's own all-reduce runs between two GPUs on any bus, among more only over NVLink; NCCL stands in otherwise.
CUSTOM_ALL_REDUCE_ANYWHERE = 2
# The estimate counts at least this much for each graph that it does not capture.
LEAST_PER_GRAPH = MIB


def capture_sizes(args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> tuple[int, ...]:
    """The token counts graphs are captured for, ascending; empty when eager."""
    if args.enforce_eager:
        return ()
    if era.runner == "V0":
        return _v0_sizes(batch)
    step = 1 + args.num_speculative_tokens
    largest = min(_largest(batch, era.version, gpu, step), batch.max_num_batched_tokens)
    closest = range(1, FINE_GRAINED + 1) if args.performance_mode == "interactivity" else (1, 2, 4)
    sizes = {size for size in closest if size <= largest}
    if era.version < WIDER_STEP_SINCE:
        sizes.update(range(8, largest + 1, 8))
    else:
        sizes.update(range(8, min(largest + 1, WIDER_STEP_FROM), 8))
        sizes.update(range(WIDER_STEP_FROM, largest + 1, 16))
        if batch.max_num_batched_tokens <= largest:
            sizes.add(batch.max_num_batched_tokens)
    if step > 1 and era.runner == "V1":
        return _whole_requests(sizes, step)
    if step > 1:
        sizes.update(_drafted_sizes(batch.max_num_seqs, step, _ceiling(era.version, gpu), largest))
    elif era.version >= ALL_REQUESTS_SINCE and batch.max_num_seqs <= largest:
        # A decode step of all requests gets a graph of its own even off the grid.
        sizes.add(batch.max_num_seqs)
    return tuple(sorted(sizes))


def _whole_requests(sizes: set[int], step: int) -> tuple[int, ...]:
    """Runner V1 rounds all sizes up to whole requests (``adjust_cudagraph_sizes_for_spec_decode``)."""
    rounded = {-(-size // step) * step for size in sizes}
    return tuple(sorted(size for size in rounded if size <= max(sizes)))


def _drafted_sizes(seqs: int, step: int, ceiling: int, largest: int) -> set[int]:
    """Tokens of the decode steps of so many requests with drafts, as far as they fit the largest graph."""
    most = min(seqs, ceiling)
    requests = {1, 2, 4, most, *range(8, min(most + 1, WIDER_STEP_FROM), 8), *range(WIDER_STEP_FROM, most + 1, 16)}
    return {count * step for count in requests if count <= most and count * step <= largest}


def _largest(batch: Batch, version: Version, gpu: Gpu, step: int) -> int:
    ceiling = _ceiling(version, gpu)
    return min(batch.max_num_seqs * step * 2, ceiling) if version >= BY_SEQS_SINCE else ceiling


def _ceiling(version: Version, gpu: Gpu) -> int:
    blackwell = gpu.capability is not None and gpu.capability[0] == 10
    return BLACKWELL_CEILING if blackwell and version >= BLACKWELL_CEILING_SINCE else CEILING


def _v0_sizes(batch: Batch) -> tuple[int, ...]:
    """V0 captures for up to the first size that holds ``max_num_seqs`` requests."""
    possible = (1, 2, 4, *range(8, 8 * 1025, 8))
    largest = next((size for size in possible if size >= batch.max_num_seqs), possible[-1])
    return tuple(size for size in possible if size <= largest)


def full_graph_sizes(args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> tuple[int, ...]:
    """Sizes that also get one graph of the whole model, for decode-only steps (FULL_AND_PIECEWISE)."""
    if era.version < FULL_GRAPHS_SINCE:
        return ()
    step, sizes = 1 + args.num_speculative_tokens, capture_sizes(args, batch, era, gpu)
    # A decode step has as many tokens of every request, so that each size is rounded up to whole requests.
    whole = {-(-size // step) * step for size in sizes}
    return tuple(sorted(size for size in whole if size <= min(batch.max_num_seqs * step, sizes[-1])))


def graph_estimate(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term:
    """What is taken off the KV cache for graphs; nothing where the release or the runner does not."""
    sizes = capture_sizes(args, batch, era, gpu)
    if not sizes or not era.graph_estimate_charged:
        return Term(
            "CUDA graph estimate", 0, "no graphs: eager" if not sizes else "graphs are not taken off the KV cache"
        )
    return total(
        "CUDA graph estimate", "a few graphs are captured and extrapolated", *_graphs(spec, args, batch, era, gpu)
    )


def graphs(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term:
    """What the captured graphs take in the end, whether or not it was set aside for them."""
    if not capture_sizes(args, batch, era, gpu):
        return Term("CUDA graphs", 0, "no graphs: eager")
    return total("CUDA graphs", "captured after the KV cache is there", *_graphs(spec, args, batch, era, gpu))


def _graphs(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> tuple[Term, ...]:
    sizes, whole = capture_sizes(args, batch, era, gpu), len(full_graph_sizes(args, batch, era, gpu))
    cases = 2 if has_adapters(spec, args) else 1
    count = cases * (len(sizes) + whole)
    # Where a backend may not capture drafted steps whole, there may be the other graphs only.
    fewest = count if captures_whole_steps(spec, args, gpu) else cases * len(sizes)
    layers = -(-spec.num_layers // args.pipeline_parallel_size)
    rows = [constant(name) for name in _layer_costs(spec, args, era, gpu)]
    low, each, high = sum(row.low for row in rows), sum(row.value for row in rows), sum(row.high for row in rows)
    pool = step_peak(spec, args, replace(batch, max_num_batched_tokens=sizes[-1]), era, gpu)
    # What the driver takes is seen as a fall of free memory, which does not fall where it has room left.
    least = min(layers * fewest * low, fewest * LEAST_PER_GRAPH)
    nodes = Term(
        "graph nodes",
        layers * count * each,
        f"{count} graphs × {layers} layers × {each:,} B",
        "modelled",
        spread=(least, layers * count * high),
    )
    pool = replace(pool, name="graph pool", because=f"buffers of a step of {sizes[-1]} tokens")
    draft = drafter(spec, args)
    # A model that drafts runs without graphs.
    drafting = () if draft is None or draft.is_model else (draft_graphs(spec, draft, args, era, sizes, whole),)
    return (nodes, pool, *drafting, attention_workspace(spec, args, era, gpu))


def _layer_costs(spec: ModelSpec, args: EngineArgs, era: Era, gpu: Gpu) -> tuple[str, ...]:
    """Names of the constants that one captured size of one layer costs together."""
    names = ["graph_layer_v2" if era.runner == "V2" and era.version >= V2_ALL else "graph_layer"]
    if args.tensor_parallel_size > CUSTOM_ALL_REDUCE_ANYWHERE and not meshed(gpu):
        names.append("graph_layer_nccl")
    if spec.experts is not None:
        names.append("graph_layer_experts")
    if any(isinstance(cache, CompressedMLA) for cache in spec.caches):
        names.append("graph_layer_compressed")
    elif any(isinstance(cache, MLA) for cache in spec.caches):
        names.append("graph_layer_latent")
    return tuple(names)
