"""Scores of the corpus: error quantiles by class and era, coverage of the intervals, accuracy of the verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
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
    def tokens_error(self) -> float | None:
        """Relative error of the capacity in tokens."""
        truth = self.case.measured.get("capacity_tokens") or self.case.measured.get("kv_tokens")
        if self.said.tokens is None or not truth or "kv_tokens" not in self.case.targets:
            return None
        return self.said.tokens / truth - 1

    @property
    def covered(self) -> bool | None:
        """Whether the measured KV cache lies in the predicted band."""
        if self.kv_error is None or self.said.kv_low is None or self.said.kv_high is None:
            return None
        return self.said.kv_low - 0.005 <= self.case.measured["available_kv_gib"] <= self.said.kv_high + 0.005

    @property
    def verdict(self) -> bool | None:
        """Whether the verdict is right, ``None`` where there is none to judge."""
        if "verdict" not in self.case.targets or self.said.boots is None:
            return None
        return self.said.boots == (self.case.outcome == "boots")


def rows(cases: Iterable[Case]) -> tuple[Row, ...]:
    """Each case with what the engine says about it."""
    return tuple(Row(case, predict(case)) for case in cases)


def report(cases: Sequence[Case]) -> str:
    """The whole comparison as text: a line for each boot, then the core by group, by component and by verdict."""
    scored = rows(cases)
    core = [row for row in scored if row.case.core]
    lines = [_line(row) for row in sorted(scored, key=lambda row: (row.case.era, row.case.kind, row.case.id))]
    lines += ["", "core boots (no shared memory, nothing before 0.6.5):", _summary("all", core)]
    for label, key in GROUPS:
        for name in sorted({key(row) for row in core}):
            lines.append(_summary(f"{label} {name}", [row for row in core if key(row) == name]))
    return "\n".join([*lines, "", *_components(core), _left_out(core)])


def _tp(row: Row) -> str:
    return "1" if row.case.args.tensor_parallel_size == 1 else ">1"


GROUPS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("class", lambda row: row.case.kind),
    ("era", lambda row: row.case.era),
    ("tp", _tp),
    ("gpu", lambda row: row.case.gpu_name or "-"),
)
COMPONENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("weights", ("model_loading_gib", "weight_gib")),
    ("activation", ("peak_activation_gib",)),
    ("non_torch", ("non_torch_gib",)),
    ("graphs", ("cuda_graph_estimate_gib",)),
)


def _components(core: Sequence[Row]) -> list[str]:
    lines = [_component(what, _present(row.error(what, *keys) for row in core)) for what, keys in COMPONENTS]
    return [*lines, _component("kv, with the log's weights", _present(row.accounting_error for row in core))]


def _component(what: str, found: Sequence[float]) -> str:
    return (
        f"{what:26} n{len(found):3} med {quantile(found, 0.5):5.2f} p90 {quantile(found, 0.9):5.2f} "
        f"bias {_mean(found):+5.2f} GiB"
    )


def _left_out(core: Sequence[Row]) -> str:
    """The range of the median KV error as each model in turn is left out."""
    medians = [
        quantile(_present(row.kv_error for row in core if row.case.model != model), 0.5)
        for model in {row.case.model for row in core}
    ]
    return f"kv median, one model left out: {min(medians, default=0):.2f} .. {max(medians, default=0):.2f} GiB"


def _line(row: Row) -> str:
    case, said = row.case, row.said
    head = f"{case.id[:26]:26} {case.kind:6} {case.era:4} {case.gpu_name or '-':12.12} {'' if case.core else '*':1}"
    if said.why_not:
        return f"{head} - {said.why_not[:80]}"
    cells = [
        _cell("w", said.weights, case, "model_loading_gib", "weight_gib"),
        _cell("a", said.activation, case, "peak_activation_gib"),
        _cell("n", said.non_torch, case, "non_torch_gib"),
        _cell("g", said.graphs, case, "cuda_graph_estimate_gib"),
        _cell("kv", said.kv, case, "available_kv_gib"),
    ]
    band = f"[{said.kv_low:6.2f} {said.kv_high:6.2f}]{'' if row.covered is not False else '!'}"
    tokens = "" if row.tokens_error is None else f"tok {row.tokens_error:+6.1%}"
    verdict = "" if row.verdict is None else ("ok" if row.verdict else f"WRONG({case.outcome})")
    return f"{head} {' '.join(cells)} {band:18} {tokens:11} {verdict}"


def _cell(name: str, value: float | None, case: Case, *measured: str) -> str:
    truth = next((case.measured[key] for key in measured if key in case.measured), None)
    said = "   -  " if value is None else f"{value:6.2f}"
    return f"{name}{said}/{'  -   ' if truth is None else f'{truth:6.2f}'}"


def _summary(label: str, group: Sequence[Row]) -> str:
    kv = _present(row.kv_error for row in group)
    tokens = _present(row.tokens_error for row in group)
    covered = [row.covered for row in group if row.covered is not None]
    verdicts = [(row.case.outcome == "boots", row.verdict) for row in group if row.verdict is not None]
    boots = [right for fine, right in verdicts if fine]
    refusals = [right for fine, right in verdicts if not fine]
    widths = [
        (row.said.kv_high - row.said.kv_low) / (row.case.memory_bytes / GIB)
        for row in group
        if row.said.kv_high is not None and row.said.kv_low is not None and row.case.memory_bytes
    ]
    return (
        f"{label:14} kv n{len(kv):3} med {quantile(kv, 0.5):5.2f} p90 {quantile(kv, 0.9):5.2f} "
        f"bias {_mean(kv):+5.2f} | covered {sum(covered)}/{len(covered)} width {_median(widths):5.1%} | "
        f"tokens n{len(tokens):3} med {quantile(tokens, 0.5):6.1%} | "
        f"verdict boots {sum(boots)}/{len(boots)} refusals {sum(refusals)}/{len(refusals)} "
        f"balanced {_balanced(boots, refusals):4.0%}"
    )


def _balanced(boots: Sequence[bool], refusals: Sequence[bool]) -> float:
    shares = [sum(group) / len(group) for group in (boots, refusals) if group]
    return statistics.fmean(shares) if shares else float("nan")


def _present(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def quantile(values: Sequence[float], share: float) -> float:
    """The quantile of absolute values; not a number without any."""
    ordered = sorted(abs(value) for value in values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else float("nan")


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")
