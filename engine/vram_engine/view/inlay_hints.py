"""The inlay hints: the memory behind keys that cost some, and the defaults that apply where a key is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vram_engine.analysis import Analysis
from vram_engine.deployment import Setting
from vram_engine.estimate import Estimate
from vram_engine.facts.flags import flag
from vram_engine.feasibility import Feasibility, gib
from vram_engine.plan import Plan
from vram_engine.sizing.budget import Budget
from vram_engine.text import Span
from vram_engine.view.defaults import defaults
from vram_engine.view.written import value_span, written_settings


@dataclass(frozen=True, slots=True)
class Hint:
    """A few words behind ``offset``, and the reason for them."""

    offset: int
    label: str
    tooltip: str


def inlay_hints(analysis: Analysis, within: Span) -> tuple[Hint, ...]:
    """The hints in a stretch of the text, those of each deployment in turn. None of what rests on unknown settings."""
    hints = (hint for plan in analysis.plans if not plan.unmodelled for hint in _of_plan(analysis, plan))
    return tuple(hint for hint in hints if within.touches(hint.offset))


def _of_plan(analysis: Analysis, plan: Plan) -> Iterator[Hint]:
    if not isinstance(plan.estimate, Estimate) or plan.feasibility is None:
        return
    last: int | None = None
    for setting in written_settings(plan):
        span = value_span(analysis, setting)
        if span is None:
            continue
        behind = _behind(analysis.tree.text, span.end)
        yield from _cost(setting, behind, plan.estimate.budget, plan.feasibility)
        if setting.origin == "file" and flag(setting.name) is not None:
            last = behind if last is None else max(last, behind)
    if last is not None:
        for default in defaults(plan, plan.estimate):
            yield Hint(_behind(analysis.tree.text, last), f"{default.name}: {default.value} (default)", default.why)


def _cost(setting: Setting, behind: int, budget: Budget, judged: Feasibility) -> Iterator[Hint]:
    cost = _COSTS.get(setting.name)
    said = cost(budget, judged) if cost is not None else None
    if said is not None:
        yield Hint(behind, *said)


def _weights(budget: Budget, _: Feasibility) -> tuple[str, str] | None:
    return f"{gib(budget.weights.bytes)} of weights per GPU", budget.weights.because


def _one_request(budget: Budget, judged: Feasibility) -> tuple[str, str] | None:
    if judged.one_request_bytes == 0:
        return None
    return f"{gib(judged.one_request_bytes)} of KV cache per request", f"one request of {budget.max_model_len:,} tokens"


def _activations(budget: Budget, _: Feasibility) -> tuple[str, str] | None:
    if budget.activations is None:
        return None
    return f"{gib(budget.activations.bytes)} of activations", budget.activations.because


def _share(budget: Budget, _: Feasibility) -> tuple[str, str] | None:
    total = gib(budget.memory_bytes)
    return f"{gib(budget.requested_bytes)}", f"vLLM's share of the {total} that CUDA reports for this GPU"


def _workload(budget: Budget, judged: Feasibility) -> tuple[str, str] | None:
    if judged.required_bytes == 0:
        return None
    return f"{gib(judged.required_bytes)} of KV cache", f"all of them at {budget.max_model_len:,} tokens, per GPU"


_COSTS: Mapping[str, Callable[[Budget, Feasibility], tuple[str, str] | None]] = {
    "model": _weights,
    "max-model-len": _one_request,
    "max-num-batched-tokens": _activations,
    "gpu-memory-utilization": _share,
    "concurrency": _workload,
}


def _behind(text: str, offset: int) -> int:
    """``offset``, or behind the variable and the quote that close there."""
    start = text.rfind("\n", 0, offset) + 1
    if text[offset : offset + 1] == "}" and text.rfind("${", start, offset) > text.rfind("}", start, offset):
        offset += 1
    return offset + 1 if text[offset : offset + 1] in ("'", '"') else offset
