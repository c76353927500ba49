"""What layers that draft take on model runner V1, where it differs from runner V2: a map, buffers and graphs.

Follows ``SpecDecodeBaseProposer`` (v1/spec_decode/llm_base_proposer.py; ``EagleProposer`` of eagle.py before 0.20).
Symbols: T tokens of a step, R request slots, H hidden size, S hidden states handed over per token.
"""

from __future__ import annotations

from vram_engine.facts.constants import constant
from vram_engine.model.spec import Draft
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import Term
from vram_engine.sizing.draft_releases import module_names
from vram_engine.sizing.forward import VALUE

TOKEN_MAP = "draft_id_to_target_id"
TOKEN_ID = 8
# Token ids 4, positions 8, a count 4 and the slot of the KV cache 8, for each token of a step.
TOKEN_BUFFERS = 24
# Which tokens were rejected or masked, a byte each, where a model drafts.
MASKS = 2
# The token that stands in for a draft, for each slot.
SLOT_BUFFERS = 4


def token_map(draft: Draft) -> Term | None:
    """EAGLE-3's map from its tokens to the model's, which it had whether or not they were the same; 8 B a token."""
    if draft.states == 0 or TOKEN_MAP in module_names(draft):
        return None
    vocab = draft.spec.vocab_size
    return Term(TOKEN_MAP, vocab * TOKEN_ID, f"{vocab:,} token ids of {TOKEN_ID} B")


def draft_state_v1(draft: Draft, limits: Batch) -> Term:
    """Buffers that the drafter holds from before the profile run: T × (S + 1) × H hidden states and embeddings."""
    tokens, slots = limits.max_num_batched_tokens, limits.max_num_seqs
    width = (max(1, draft.streams) + 1) * draft.spec.hidden_size
    inputs = TOKEN_BUFFERS + (MASKS if draft.is_model else 0)
    because = f"hidden states and embeddings of {tokens:,} tokens × {width:,} values"
    return Term("drafting state", tokens * (width * VALUE + inputs) + slots * SLOT_BUFFERS, because)


def draft_graphs_v1(draft: Draft, captured: tuple[int, ...]) -> Term:
    """Graphs of drafting: one for each captured size, of the pieces between attention only."""
    layers, count, row = draft.layers, len(captured), constant("graph_layer")
    return Term(
        "graphs of drafting",
        layers * count * row.value,
        f"{count} graphs of {'1 layer' if layers == 1 else f'{layers} layers'} × {row.value:,} B",
        "modelled",
        spread=(0, layers * count * row.high),
    )
