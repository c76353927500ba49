"""The sampler of vLLM's profile run: one row of logits for every request slot, and what choosing a token needs.

V0 and V1 profile top-k and top-p sampling on a float32 copy of the logits; model runner V2 samples without them from
the logits as they are. Symbols: R rows, V vocabulary.
"""

from __future__ import annotations

from vram_engine.facts.constants import constant
from vram_engine.facts.versions import Version
from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.batch import Batch
from vram_engine.sizing.budget import MIB, Term
from vram_engine.sizing.encoder import profiled_requests
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.eras import Era

# Bytes per logit: what the head made (2), its float32 copy (4), and then either a sort (values 4, indices 8, reverse
# indices 8, radix buffers 12) or masking and sampling (probabilities 4, noise 4).
SORT_BYTES_PER_LOGIT = 38
# Below 128 rows torch sorts all rows at once, carrying (row, index) pairs: 8 + 8, keys 4, buffers 12, result 4 + 8.
SMALL_SORT_ROWS = 128
SMALL_SORT_BYTES_PER_LOGIT = 50
SAMPLE_BYTES_PER_LOGIT = 14
TRITON_FROM_ROWS = 8
# Runner V1 then rejects one draft a row on other logits, of two tokens a row (4). Those sampled for sure are copied (2)
# and kept as float32 (4), the drafted ones kept as float32 (4) beside those that are sampled from; that is a sort, or
# probabilities, noise and, since 0.17, its reciprocal (4). At least the first of the two takes as much more.
REJECTION_BYTES_PER_LOGIT = 12
RECIPROCAL_BYTES_PER_LOGIT = 4
LEAST_REJECTION_BYTES_PER_LOGIT = 8
RECIPROCAL_SINCE = Version(0, 17, 0)
FLOAT32 = 4
VALUE = 2
FLASHINFER_OPT_IN = Version(0, 11, 0)
GUMBEL_BLOCK = 1024
GUMBEL_BYTES_PER_BLOCK = 12


def sampler_peak(spec: ModelSpec, args: EngineArgs, batch: Batch, era: Era) -> Term:
    """The sampler for R rows of V logits while the final hidden states of all tokens are kept."""
    rows, vocab, tokens = profiled_requests(spec, args, batch, era), spec.vocab_size, batch.max_num_batched_tokens
    hidden = tokens * spec.hidden_size * VALUE
    per_logit = _bytes_per_logit(rows, args, era)
    low, value, high = _buffers(rows, vocab, era)
    base = hidden + int(per_logit * rows * vocab)
    rejecting = _rejection(rows, args, era)
    base += rejecting * rows * vocab
    low -= max(0, rejecting - LEAST_REJECTION_BYTES_PER_LOGIT) * rows * vocab
    least = hidden + SAMPLE_BYTES_PER_LOGIT * rows * vocab if _may_skip_sort(era) else base + low - 8 * MIB
    because = f"{rows:,} requests × {vocab:,} logits × {per_logit:g} B ({era.sampler}) + {tokens:,} hidden states"
    return Term("sampler", base + value, because, "modelled", spread=(min(least, base), base + high + 16 * MIB))


def _rejection(rows: int, args: EngineArgs, era: Era) -> int:
    """Bytes per logit that rejecting drafts takes more than sampling does (``RejectionSampler``)."""
    if era.runner != "V1" or args.num_speculative_tokens == 0:
        return 0
    reciprocal = era.version >= RECIPROCAL_SINCE and not _sorts(rows, era)
    return REJECTION_BYTES_PER_LOGIT + RECIPROCAL_BYTES_PER_LOGIT * reciprocal


def _may_skip_sort(era: Era) -> bool:
    """Whether FlashInfer, where it is installed, samples without a sort: images had it, packages did not need it."""
    return era.runner == "V1" and era.version < FLASHINFER_OPT_IN


def _bytes_per_logit(rows: int, args: EngineArgs, era: Era) -> float:
    tp = args.tensor_parallel_size
    if era.sampler == "gumbel":
        return VALUE * (2 + 1 / tp) if tp > 1 else VALUE
    if _sorts(rows, era):
        return SORT_BYTES_PER_LOGIT if rows >= SMALL_SORT_ROWS else SMALL_SORT_BYTES_PER_LOGIT
    return SAMPLE_BYTES_PER_LOGIT


def _sorts(rows: int, era: Era) -> bool:
    return era.sampler == "sort" or rows < TRITON_FROM_ROWS


def _buffers(rows: int, vocab: int, era: Era) -> tuple[int, int, int]:
    """Low, expected and high bytes beside the logits.

    The Triton kernel keeps a float32 row for each of its programs, one per multiprocessor, at most a power of two.
    """
    if era.sampler == "gumbel":
        blocks = rows * -(-vocab // GUMBEL_BLOCK) * GUMBEL_BYTES_PER_BLOCK
        return blocks, blocks, blocks
    if _sorts(rows, era):
        return 0, 0, 0
    units = constant("streaming_multiprocessors")
    low, value, high = (_programs(count, rows) * vocab * FLOAT32 for count in (units.low, units.value, units.high))
    return low, value, high


def _programs(multiprocessors: int, rows: int) -> int:
    return min(1 << (min(multiprocessors, rows) - 1).bit_length(), multiprocessors)


def sampler_state(spec: ModelSpec, batch: Batch) -> Term:
    """The penalty counters model runner V2 keeps for every slot: R × (V counts of 4 B and V bits)."""
    rows = batch.max_num_seqs
    amount = rows * FLOAT32 * (spec.vocab_size + -(-spec.vocab_size // 32))
    because = f"{rows:,} slots × {spec.vocab_size:,} token counters of 4 B and as many bits"
    return Term("sampler state", amount, because)
