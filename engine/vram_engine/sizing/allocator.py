"""What torch's allocator hands out beyond the bytes of the weights: ends of segments too small to be split off.

A tensor of 10 MiB or more that finds no free block gets a segment of whole 2 MiB; what that has over is split off and
used for others above 1 MiB, and counts as the tensor's up to there (c10/cuda/CUDACachingAllocator, ``should_split``).
Matrices that are repacked after loading land in blocks that others left, with an end of up to 1 MiB of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from vram_engine.model.spec import ModelSpec
from vram_engine.sizing.budget import MIB, Term
from vram_engine.sizing.engine_args import EngineArgs
from vram_engine.sizing.quantization import LocalLinear, PackedInt, Scheme, Unquantized
from vram_engine.sizing.recalled import REMEMBERED, Same, about_weights
from vram_engine.sizing.weights import matrices_on_stages

ALLOCATION_SLACK = "allocation slack"
SEGMENT = 2 * MIB
OWN_SEGMENT = 10 * MIB
LEAST_SPLIT = MIB


@dataclass(frozen=True, slots=True)
class Slack:
    """Bytes beyond a tensor: the least, the expected, the most."""

    low: int = 0
    expected: int = 0
    high: int = 0

    def plus(self, other: Slack, count: int) -> Slack:
        """This and ``count`` times another."""
        return Slack(
            self.low + count * other.low, self.expected + count * other.expected, self.high + count * other.high
        )


def allocation_slack(spec: ModelSpec, args: EngineArgs, capability: tuple[int, int]) -> tuple[Term, ...]:
    """One Term per pipeline stage: bytes on each of its ranks; nothing where the weights are not derived."""
    return _allocation_slack(Same(spec), about_weights(args), capability)


@lru_cache(maxsize=REMEMBERED)
def _allocation_slack(same: Same[ModelSpec], args: EngineArgs, capability: tuple[int, int]) -> tuple[Term, ...]:
    terms = []
    for matrices in matrices_on_stages(same.value, args, capability):
        sum_of = Slack()
        for matrix in matrices:
            sum_of = sum_of.plus(_of_matrix(matrix.local, matrix.scheme), matrix.copies)
        spread = (sum_of.low, sum_of.high)
        because = "ends of segments that torch's allocator does not split off"
        terms.append(Term(ALLOCATION_SLACK, sum_of.expected, because, "modelled", spread=spread))
    return tuple(terms)


def _of_matrix(local: LocalLinear, scheme: Scheme) -> Slack:
    if isinstance(scheme, Unquantized):
        return _kept(local.weights * local.element)
    if isinstance(scheme, PackedInt):
        groups = local.cols // scheme.group if scheme.group > 0 else 1
        packed = _repacked(local.weights * scheme.bits // 8)
        return packed.plus(_repacked(groups * local.all_rows * local.element), 1)
    return Slack()


def _kept(size: int) -> Slack:
    end = -size % SEGMENT if size >= OWN_SEGMENT else 0
    certain = end if end <= LEAST_SPLIT else 0
    return Slack(0, certain, LEAST_SPLIT if end else 0)


def _repacked(size: int) -> Slack:
    fits = size <= MIB or size % SEGMENT == 0
    return Slack() if fits else Slack(0, LEAST_SPLIT // 2, LEAST_SPLIT)
