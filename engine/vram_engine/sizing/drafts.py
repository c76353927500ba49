"""What layers that draft tokens take beside their model: weights, buffers, their moment in the profile run, graphs.

Follows model runner V2: ``TargetDependentARSpeculator`` and ``StandaloneARSpeculator`` (v1/worker/gpu/spec_decode).
What runner V1 does otherwise is in ``drafts_v1``.
Symbols: T tokens of a step, R request slots, H hidden size, S hidden states handed over per token, K tokens drafted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from vram_engine.facts.constants import constant
from vram_engine.facts.versions import Version
from vram_engine.hardware import Gpu
from vram_engine.model.spec import Block, Draft, ModelSpec, Module, Rotary, Unavailable
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import MIB, Term, total
from vram_engine.sizing.draft_releases import SINCE
from vram_engine.sizing.drafts_v1 import draft_graphs_v1, draft_state_v1, token_map
from vram_engine.sizing.encoder import sees_images
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era
from vram_engine.sizing.forward import VALUE, forward_peak
from vram_engine.sizing.parallelism import Refusal, padded_vocab
from vram_engine.sizing.sampler import sampler_peak
from vram_engine.sizing.speculative import drafter
from vram_engine.sizing.weights import DRAFT, model_dtype, weights

# Token ids 4, positions 8, padding 1 (InputBuffers), for each token of a step.
TOKEN_BUFFERS = 13
# Starts and lengths 4 + 4 + 4 (InputBuffers), index 8, temperature 4, seed 8, last token 8, position 8, for each slot.
SLOT_BUFFERS = 44
# Drafted tokens, once with the requests and once with the drafter, and a confidence beside them.
DRAFT_BUFFERS = 8 + 8 + 4
# Since when EAGLE's rotary table is as long as the model's longest request.
STRETCHED_SINCE = Version(0, 27, 0)
# Token ids 4 and positions 8 of a draft model's first step (StandaloneARSpeculator).
WIDENED_BUFFERS = 12


def with_draft(
    stages: tuple[Term, ...], spec: ModelSpec, args: EngineArgs, capability: tuple[int, int], max_model_len: int
) -> tuple[Term, ...] | Refusal | Unavailable:
    """The weights of all stages, with those of what drafts on the last one (``load_draft_model``)."""
    draft = drafter(spec, args)
    if draft is None:
        return stages
    if draft.is_model and draft.spec.vocab_size != spec.vocab_size:
        return Refusal(
            f"Target and draft model should have the same vocabulary size; they have {spec.vocab_size:,} and "
            f"{draft.spec.vocab_size:,} tokens."
        )
    dtype = model_dtype(spec, args, capability)
    if isinstance(dtype, Refusal):
        return dtype
    stretched = draft.tables and args.vllm_version >= STRETCHED_SINCE
    positions = max_model_len if stretched else 0
    part = _draft_weights(spec, draft, _alone(args, draft, dtype), capability, positions)
    if not isinstance(part, Term):
        return part
    mapped = token_map(draft) if args.vllm_version < SINCE else None
    if mapped is not None:
        part = replace(part, bytes=part.bytes + mapped.bytes, parts=(*part.parts, mapped))
    last = stages[-1]
    return (*stages[:-1], replace(last, bytes=last.bytes + part.bytes, parts=(*last.parts, part)))


def _draft_weights(
    spec: ModelSpec, draft: Draft, alone: EngineArgs, capability: tuple[int, int], positions: int
) -> Term | Refusal | Unavailable:
    """What a rank holds of the draft, with the tables that it may have of its own."""
    own = weights(_without_shared(draft.spec, spec, positions), alone, capability)
    if isinstance(own, Refusal | Unavailable):
        return own
    part = replace(own[0], name=DRAFT, because=_because(draft))
    if not draft.tables:
        return part
    tables = weights(_only_tables(draft.spec), alone, capability)
    if isinstance(tables, Refusal | Unavailable):
        return tables
    return replace(part, parts=(*part.parts, _perhaps(tables[0])))


def _only_tables(draft: ModelSpec) -> ModelSpec:
    """The tables that a drafter reads of the model, unless its checkpoint has others."""
    return replace(
        draft, modules=tuple(replace(block, place="every") for block in draft.modules if block.place == "tied")
    )


def _perhaps(tables: Term) -> Term:
    """Tables of its own: none as far as is known before its checkpoint is read (``_should_share``)."""
    because = "the model's own, unless the drafter's checkpoint has tables that differ"
    return Term("tables of the drafter", 0, because, "modelled", spread=(0, tables.bytes))


def _because(draft: Draft) -> str:
    layers = "1 layer" if draft.layers == 1 else f"{draft.layers} layers"
    if draft.is_model:
        return f"a draft model of {draft.spec.parameters / 1e9:.2f} B parameters in {layers}"
    if draft.states:
        return (
            f"{layers} of EAGLE-3 with a head of {draft.spec.vocab_size:,} tokens at most, and the table of the model"
        )
    if draft.tables:
        return f"{layers} of EAGLE with the table and head of the model"
    return f"{layers} for multi-token prediction, with the table and head of the model"


def _alone(args: EngineArgs, draft: Draft, dtype: str) -> EngineArgs:
    """The arguments under which what drafts is loaded: in the model's dtype; quantized only as its checkpoint is."""
    own = replace(args, pipeline_parallel_size=1, speculative_method=None, num_speculative_tokens=0, cpu_offload_gb=0.0)
    return replace(own, dtype=dtype, quantization=None, max_model_len=None) if draft.is_apart else own


@lru_cache(maxsize=64)
def _without_shared(draft: ModelSpec, spec: ModelSpec, positions: int) -> ModelSpec:
    """The draft without the rotary tables that the model keeps anyway (``get_rope`` makes equal ones once).

    Its own are for ``positions`` at least, unless a scaling says for how many.
    """
    tables = {module for block in spec.modules for module in block.modules if isinstance(module, Rotary)}

    def kept(block: Block) -> tuple[Module, ...]:
        long = (_stretched(module, positions) if isinstance(module, Rotary) else module for module in block.modules)
        return tuple(module for module in long if module not in tables)

    return replace(draft, modules=tuple(replace(block, modules=kept(block)) for block in draft.modules))


def _stretched(table: Rotary, positions: int) -> Rotary:
    scaled = not table.identity.startswith("default ")
    return table if scaled else replace(table, positions=max(table.positions, positions))


def draft_state(spec: ModelSpec, draft: Draft, args: EngineArgs, era: Era, limits: Batch) -> Term:
    """Buffers that the drafter holds from before the profile run: T × S × H hidden states above all."""
    if era.runner == "V1":
        return draft_state_v1(draft, limits)
    tokens, slots, drafted = limits.max_num_batched_tokens, limits.max_num_seqs, args.num_speculative_tokens
    slot, inputs = SLOT_BUFFERS + drafted * DRAFT_BUFFERS, tokens * TOKEN_BUFFERS
    if draft.is_model:
        # The prompt and one more token of each request, with their positions.
        because = f"inputs of {tokens:,} tokens, and {drafted} drafts of {slots:,} requests"
        return Term("drafting state", inputs + (tokens + slots) * WIDENED_BUFFERS + slots * slot, because)
    width = draft.streams * draft.spec.hidden_size
    hidden = tokens * width * VALUE
    media = hidden if draft.sees_media and sees_images(spec, args) else 0
    because = f"hidden states of {tokens:,} tokens × {width:,} values, and {drafted} drafts of {slots:,} requests"
    return Term("drafting state", hidden + media + inputs + slots * slot, because)


def draft_peak(spec: ModelSpec, draft: Draft, args: EngineArgs, batch: Batch, era: Era, gpu: Gpu) -> Term:
    """The drafter's moment in the profile run, while the model's hidden states wait to be sampled from.

    Either its layers for all T tokens, with embedding and hidden state side by side before them, or its logits of R
    slots, which runner V1 does not make of it.
    """
    tokens, hidden = batch.max_num_batched_tokens, spec.hidden_size * VALUE
    # Runner V1 gives the layers a buffer of its own in place of what it joins of several states.
    states = 0 if era.runner == "V1" else draft.states
    kept = tokens * hidden * (max(1, draft.streams) + states)
    forward = forward_peak(draft.spec, _alone(args, draft, args.dtype), batch, era, gpu)
    joined = 0 if draft.is_model else tokens * (4 + states) * hidden
    sampled = Term("sampler", 0, "") if era.runner == "V1" else sampler_peak(spec, args, batch, era)
    widest = max(forward.bytes, joined, sampled.bytes)
    low, high = max(forward.low, joined, sampled.low), max(forward.high, joined, sampled.high)
    because = f"{tokens:,} tokens through the layers that draft, beside the model's own hidden states"
    return Term("drafting", widest + kept, because, "modelled", spread=(low + kept // 2, high + 2 * kept + 16 * MIB))


def draft_graphs(
    spec: ModelSpec, draft: Draft, args: EngineArgs, era: Era, captured: tuple[int, ...], whole: int
) -> Term:
    """Graphs of drafting: one for each size ``captured`` and each of ``whole`` steps, and of one token a request.

    Whether the steps after the first are one graph or one each depends on the attention backend, and so does what is
    captured whole. Whole graphs hold the logits.
    """
    if era.runner == "V1":
        return draft_graphs_v1(draft, captured)
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
