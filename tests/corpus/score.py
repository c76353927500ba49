"""One boot scored: errors of the terms, of the KV cache and of the tokens, the band, the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.corpus.cases import Case
from tests.corpus.predict import Prediction, predict
from vram_engine.sizing.budget import GIB


@dataclass(frozen=True, slots=True)
class Row:
    """One boot with its prediction."""

    case: Case
    said: Prediction

    def error(self, what: str, *measured: str) -> float | None:
        """Predicted minus measured, ``None`` where either is missing."""
        value = getattr(self.said, what)
        truth = next((self.case.measured[key] for key in measured if key in self.case.measured), None)
        return None if value is None or truth is None else value - truth

    @property
    def kv_error(self) -> float | None:
        """GiB of KV cache, predicted minus measured, where the corpus allows scoring it."""
        return self.error("kv", "available_kv_gib") if "avail_kv" in self.case.targets else None

    @property
    def accounting_error(self) -> float | None:
        """The same given the weights that the log prints: what the accounting beside them is off by."""
        weights = self.error("weights", "model_loading_gib", "weight_gib")
        return None if self.kv_error is None or weights is None else self.kv_error + weights

    @property
    def weights_error(self) -> float | None:
        """Relative error of the weights, where the configuration tells them."""
        error = self.error("weights", "model_loading_gib", "weight_gib")
        if error is None or self.said.weights is None or "weights" not in self.case.targets:
            return None
        return error / (self.said.weights - error)

    @property
    def tokens_error(self) -> float | None:
        """Relative error of the capacity in tokens: requests of the longest length that fit, times that length.

        What a log calls tokens meant slots of one group of layers in some releases; the requests never did.
        """
        said, measured = self.said, self.case.measured
        if "kv_tokens" not in self.case.targets:
            return None
        if measured.get("max_concurrency") and said.concurrency is not None:
            return said.concurrency / measured["max_concurrency"] - 1
        truth = measured.get("kv_tokens")
        return None if said.tokens is None or not truth else said.tokens / truth - 1

    @property
    def covered(self) -> bool | None:
        """Whether the measured KV cache lies in the predicted band."""
        if self.kv_error is None or self.said.kv_low is None or self.said.kv_high is None:
            return None
        return self.said.kv_low - 0.005 <= self.case.measured["available_kv_gib"] <= self.said.kv_high + 0.005

    @property
    def width(self) -> float | None:
        """The predicted band as a share of the GPU."""
        if self.said.kv_high is None or self.said.kv_low is None or not self.case.memory_bytes:
            return None
        return (self.said.kv_high - self.said.kv_low) / (self.case.memory_bytes / GIB)

    @property
    def answered(self) -> bool:
        """Whether the tool gives a verdict at all: every setting of the boot is followed."""
        return not self.said.unfollowed

    @property
    def verdict(self) -> bool | None:
        """Whether the verdict is right, ``None`` where there is none to judge."""
        if "verdict" not in self.case.targets or self.said.boots is None:
            return None
        return self.said.boots == (self.case.outcome == "boots")


def rows(cases: Iterable[Case]) -> tuple[Row, ...]:
    """Each case with what the engine says about it."""
    return tuple(Row(case, predict(case)) for case in cases)


def balanced(boots: Sequence[bool], refusals: Sequence[bool]) -> float:
    """The mean of the shares of boots and of refusals that were foretold."""
    shares = [sum(group) / len(group) for group in (boots, refusals) if group]
    return statistics.fmean(shares) if shares else float("nan")


def present(values: Iterable[float | None]) -> list[float]:
    """The values that are known."""
    return [value for value in values if value is not None]


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile of absolute values; not a number without any."""
    ordered = sorted(abs(value) for value in values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def mean(values: Sequence[float]) -> float:
    """The mean; not a number of nothing."""
    return statistics.fmean(values) if values else float("nan")


def median(values: Sequence[float]) -> float:
    """The median; not a number of nothing."""
    return statistics.median(values) if values else float("nan")
