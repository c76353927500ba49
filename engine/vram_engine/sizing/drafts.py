"""What layers that draft tokens take beside their model: weights, buffers, their moment in the profile run, graphs.

Follows model runner V2: ``DraftModelSpeculator`` and ``TargetDependentARSpeculator`` (v1/worker/gpu/spec_decode).
Symbols: T tokens of a step, R request slots, H hidden size, S hidden states handed over per token, K tokens drafted.
"""

from __future__ import annotations

from dataclasses import replace

from vram_engine.facts.constants import constant
from vram_engine.hardware import Gpu
from vram_engine.model.spec import Draft, ModelSpec, Unavailable
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import MIB, Term, total
from vram_engine.sizing.encoder import sees_images
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era
from vram_engine.sizing.forward import VALUE, forward_peak
from vram_engine.sizing.parallelism import Refusal, padded_vocab
from vram_engine.sizing.sampler import sampler_peak
from vram_engine.sizing.speculative import drafter
from vram_engine.sizing.weights import DRAFT, weights

# Token ids 4, positions 8, padding 1 (InputBuffers), for each token of a step.
TOKEN_BUFFERS = 13
# Starts and lengths 4 + 4 + 4 (InputBuffers), index 8, temperature 4, seed 8, last token 8, position 8, for each slot.
SLOT_BUFFERS = 44
# Drafted tokens, once with the requests and once with the drafter, and a confidence beside them.
DRAFT_BUFFERS = 8 + 8 + 4


def with_draft(
    stages: tuple[Term, ...], spec: ModelSpec, args: EngineArgs, capability: tuple[int, int]
) -> tuple[Term, ...] | Refusal | Unavailable:
    """The weights of all stages, with those of the draft layers on the last one (``load_eagle_model``)."""
    draft = drafter(spec, args)
    if draft is None:
        return stages
    own = weights(draft.spec, _alone(args), capability)
    if isinstance(own, Refusal | Unavailable):
        return own
    last, layers = stages[-1], "layer" if draft.layers == 1 else "layers"
    because = f"{draft.layers} {layers} for multi-token prediction, which read the model's own table and head"
    part = replace(own[0], name=DRAFT, because=because)
    return (*stages[:-1], replace(last, bytes=last.bytes + part.bytes, parts=(*last.parts, part)))


def _alone(args: EngineArgs) -> EngineArgs:
    """The arguments under which the draft layers alone are loaded."""
    return replace(args, pipeline_parallel_size=1, speculative_method=None, num_speculative_tokens=0)


def draft_state(spec: ModelSpec, draft: Draft, args: EngineArgs, limits: Batch) -> Term:
    """Buffers that the drafter holds from before the profile run: T × S × H hidden states above all."""
    tokens, slots, drafted = limits.max_num_batched_tokens, limits.max_num_seqs, args.num_speculative_tokens
    width = draft.streams * draft.spec.hidden_size
    hidden = tokens * width * VALUE
    media = tokens * width * VALUE if draft.sees_media and sees_images(spec, args) else 0
    slot = SLOT_BUFFERS + drafted * DRAFT_BUFFERS
    because = f"hidden states of {tokens:,} tokens × {width:,} values, and {drafted} drafts of {slots:,} requests"
    return Term("drafting state", hidden + media + tokens * TOKEN_BUFFERS + slots * slot, because)


def draft_peak(spec: ModelSpec, draft: Draft, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term:
    """The drafter's moment in the profile run, while the model's hidden states wait to be sampled from.

    Either its layer for all T tokens, with embedding and hidden state side by side before it, or its logits of R slots.
    """
    tokens, hidden = batch.max_num_batched_tokens, spec.hidden_size * VALUE
    kept = tokens * hidden * draft.streams
    forward = forward_peak(draft.spec, _alone(args), batch, era, gpu)
    joined = tokens * 4 * hidden
    sampled = sampler_peak(spec, args, batch, era)
    widest = max(forward.bytes, joined, sampled.bytes)
    low, high = max(forward.low, joined, sampled.low), max(forward.high, joined, sampled.high)
    because = f"{tokens:,} tokens through the layers that draft, beside the model's own hidden states"
    return Term("drafting", widest + kept, because, "modelled", spread=(low + kept // 2, high + 2 * kept + 16 * MIB))


def draft_graphs(spec: ModelSpec, draft: Draft, args: EngineArgs, captured: tuple[int, ...], whole: int) -> Term:
    """Graphs of drafting: one for each size ``captured`` and each of ``whole`` steps, and of one token a request.

    Whether the steps after the first are one graph or one each depends on the attention backend, and so does what is
    captured whole. Whole graphs hold the logits.
    """
    drafted, row = args.num_speculative_tokens, constant("graph_layer_v2")
    later = len(captured) if drafted > 1 else 0
    count = len(captured) + whole + later
    low, high = len(captured) * row.low, (len(captured) + whole + later * max(1, drafted - 1)) * row.high
    layers = draft.layers
    nodes = Term(
        "graph nodes of drafting",
        layers * count * row.value,
        f"{count} graphs × {layers} layers × {row.value:,} B",
        "modelled",
        spread=(layers * low, layers * high),
    )
    logits = captured[-1] * padded_vocab(spec.vocab_size) * VALUE
    because = f"logits of a step of {captured[-1]} tokens"
    pool = Term("graph pool of drafting", logits // 2, because, "modelled", spread=(0, 2 * logits))
    return total("graphs of drafting", "captured for the layers that draft", nodes, pool)
