"""The verdict table, row by row, with budgets made by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from vram_engine.feasibility import Workload, judge
from vram_engine.sizing.budget import GIB, Budget, Interval, Term

MIB = 2**20


@dataclass(frozen=True)
class Linear:
    """A KV cache of exactly 1 MiB a token."""

    is_cached = True

    def one_request(self, length):
        """Length MiB."""
        return length * MIB

    def required(self, concurrency, length):
        """Length MiB each."""
        return concurrency * length * MIB

    def fits(self, available, length):
        """One request."""
        return length * MIB <= available

    def max_concurrency(self, available, length):
        """Available over needed."""
        return max(available, 0) / (length * MIB)

    def max_length(self, available, concurrency, cap):
        """The most tokens."""
        return min(cap, max(available, 0) // (concurrency * MIB))


def budget(low, expected, high, length=1024):
    """A GPU of 20 GiB with that many GiB left for the KV cache."""
    term = Term("weights", 10 * GIB, "by hand")
    wide = Term("activations", GIB, "by hand", "modelled", spread=(0, 2 * GIB))
    interval = Interval(round(low * GIB), round(expected * GIB), round(high * GIB))
    return Budget("startup", 20 * GIB, 18 * GIB, term, wide, None, replace(term, bytes=GIB), interval, length, ())


# (KV left: low, expected, high), (concurrency, headroom asked for) -> verdict, condition, risk. One request is 1 GiB.
TABLE = {
    "nothing is left at the kind end": ((-2, -1, 0), (1, None), "infeasible", "out-of-memory", "high"),
    "one request does not fit at the kind end": (
        (0.5, 0.7, 0.99),
        (1, None),
        "infeasible",
        "max-model-len-does-not-fit",
        "high",
    ),
    "it fits exactly at the kind end only": ((0.5, 0.7, 1.0), (1, None), "at-risk", "high-oom-risk", "high"),
    "nothing is left at the unkind end": ((-1, 3, 5), (1, None), "at-risk", "high-oom-risk", "low"),
    "the workload needs more": ((3, 4, 5), (5, None), "at-risk", "concurrency-does-not-fit", "high"),
    "it fits exactly": ((3, 4, 5), (4, None), "fits", "tight-memory", "medium"),
    "just below two GiB to spare": ((3, 4, 5), (3, None), "fits", "tight-memory", "medium"),
    "two GiB to spare": ((3, 4, 5), (2, None), "fits", None, "low"),
    "less than the headroom asked for": ((3, 4, 5), (3, 1.5), "at-risk", "tight-memory-policy", "medium"),
    "exactly the headroom asked for": ((3, 4, 5), (3, 1.0), "fits", "tight-memory", "medium"),
    "less than a generous headroom": ((3, 4, 5), (1, 3.5), "at-risk", "tight-memory-policy", "low"),
}


@pytest.mark.parametrize(("left", "asked", "verdict", "condition", "risk"), TABLE.values(), ids=TABLE)
def test_the_first_row_that_applies_decides(left, asked, verdict, condition, risk):
    """Verdict, condition and risk follow the table of the public interface."""
    concurrency, headroom = asked
    workload = Workload(concurrency, None if headroom is None else round(headroom * GIB))
    judged = judge(budget(*left), Linear(), workload, 4096)
    assert (judged.verdict, judged.condition, judged.oom_risk) == (verdict, condition, risk)


def test_the_rule_of_thumb_has_no_queue():
    """Where there is no interval, a workload that does not fit is infeasible."""
    rough = replace(budget(4, 4, 4), estimator="closed_form")
    assert judge(rough, Linear(), Workload(5), 4096).verdict == "infeasible"
    assert judge(rough, Linear(), Workload(4), 4096).verdict == "fits"


def test_weights_alone_too_large_are_told_apart_from_no_room_for_the_cache():
    """The failure says whether the weights or the sum is too much."""
    small = budget(-2, -1, 0)
    assert judge(small, Linear(), Workload(), 4096).failure.kind == "no-kv-cache-memory"
    tiny = replace(small, requested_bytes=9 * GIB)
    assert judge(tiny, Linear(), Workload(), 4096).failure.kind == "weights-exceed-memory"


def test_less_free_memory_than_asked_for_comes_first():
    """vLLM looks at free memory before anything else (request_memory)."""
    taken = replace(budget(3, 4, 5), free_bytes=17 * GIB)
    assert judge(taken, Linear(), Workload(), 4096).failure.kind == "free-memory-below-target"
    enough = replace(taken, free_bytes=18 * GIB)
    assert judge(enough, Linear(), Workload(), 4096).verdict == "fits"


def test_the_widest_term_decides():
    """At risk, the term whose bounds are furthest apart is named."""
    assert judge(budget(0.5, 0.7, 1.0), Linear(), Workload(), 4096).deciding_term.name == "activations"


def test_the_answers_about_length_and_concurrency():
    """4 GiB hold four requests of 1,024 tokens, or two of 2,048, or one of the model's 4,096."""
    judged = judge(budget(3, 4, 5), Linear(), Workload(2), 4096)
    assert judged.max_concurrency_at_context == 4
    assert judged.max_context_at_concurrency == 2048
    assert judged.max_model_len_that_fits == 4096
    assert judged.headroom_bytes == 2 * GIB
