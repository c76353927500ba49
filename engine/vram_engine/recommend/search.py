"""The search: every way to divide, store and step a model, each with what it can serve.

One exact sizing for each combination; on it the share of the GPU, the length and the concurrency vary cheaply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from vram_engine.deployment import Scalar
from vram_engine.model.reference import FoundModel
from vram_engine.recommend.case import Case, Share, Sized, Tally, at_share, sized
from vram_engine.recommend.options import AS_IT_IS, Option, caches, divisions, lean_steps, precisions, utilizations
from vram_engine.recommend.tuning import tuned_steps

AUTO = -1


@dataclass(frozen=True, slots=True)
class Proposal:
    """A combination that seems to fit, before it is sized with all its settings.

    ``loss`` is precision given up, ``shortfall`` the share of what was asked for that it does not serve.
    ``cuts`` names the setting that says how much of it is served, where that is less or was nobody's wish.
    """

    settings: Mapping[str, Scalar]
    reasons: tuple[str, ...]
    loss: float
    shortfall: float
    tokens: int
    concurrency: int
    model: FoundModel | None = None
    cuts: str = ""
    tuned: bool = False

    @property
    def changes(self) -> int:
        """How many settings change."""
        return len(self.settings)


@dataclass(slots=True)
class Found:
    """What a search came upon: proposals, and of what fails the sizing that lacks least."""

    proposals: list[Proposal] = field(default_factory=list)
    nearest: Proposal | None = None
    nearest_lacks: int | None = None
    tally: Tally = field(default_factory=Tally)


def search(case: Case) -> Found:
    """Every combination of options, judged."""
    found = Found()
    axes = _axes(case)
    tuned, lean = _steps(case)
    for options in product(*axes):
        whole = False
        for bounds in (*tuned, *lean):
            # Leaner steps are for what does not fit otherwise.
            if not (whole and bounds in lean):
                whole |= _tried(found, case, together((*options, bounds)))
    return found


def combinations(case: Case) -> Iterator[Option]:
    """Options of all axes put together, those that cannot be written left out."""
    tuned, lean = _steps(case)
    for options in product(*_axes(case), (*tuned, *lean)):
        yield together(options)


def _axes(case: Case) -> tuple[tuple[Option, ...], ...]:
    deployment, spec, node = case.deployment, case.spec, case.node
    return (
        tuple(_writable(case, divisions(deployment, spec, node))),
        tuple(_writable(case, precisions(deployment, spec, node, case.siblings))),
        tuple(_writable(case, caches(node.gpu, is_16bit=_keeps_16bit(case)))),
    )


def _steps(case: Case) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    """Bounds of a step that are good in themselves, and those that only save memory."""
    found = (case.deployment, case.spec, case.node, case.goal)
    return (AS_IT_IS, *_writable(case, tuned_steps(*found))), tuple(_writable(case, lean_steps(*found)))


def _tried(found: Found, case: Case, option: Option) -> bool:
    """Size and judge one combination; whether it serves all that was asked for as it is."""
    spec = option.model.spec if option.model is not None else case.spec
    base = sized(case, {**_length(case), **option.settings}, spec, found.tally)
    if base is None:
        return False
    proposals = tuple(_served(case, option, base))
    found.proposals += proposals
    if not proposals:
        _remember(found, case, option, base)
    return any(each.shortfall == 0 for each in proposals)


def _writable(case: Case, options: Iterable[Option]) -> Iterator[Option]:
    return (each for each in options if all(case.may_change(name) for name in each.settings))


def _keeps_16bit(case: Case) -> bool:
    asked = case.deployment.value("kv-cache-dtype")
    return asked in (None, "auto", "float16", "bfloat16") and any(True for _ in case.spec.caches)


def together(options: tuple[Option, ...]) -> Option:
    """One option of each axis as a single change."""
    settings: dict[str, Scalar] = {}
    for each in options:
        settings.update(each.settings)
    model = next((each.model for each in options if each.model is not None), None)
    because = "; ".join(dict.fromkeys(each.because for each in options if each.because))
    return Option(settings, sum(each.loss for each in options), because, model, any(each.tuned for each in options))


def _length(case: Case) -> Mapping[str, Scalar]:
    """The goal's length, where the one in force is too short for it or more than vLLM takes."""
    asked = case.deployment.integer("max-model-len")
    if asked is None or asked == AUTO or case.goal.tokens <= asked <= case.goal.longest:
        return {}
    return {"max-model-len": case.goal.tokens}


def _served(case: Case, option: Option, base: Sized) -> Iterator[Proposal]:
    """What one sizing can serve: the goal, else as much as fits, at the share in force and at higher ones."""
    budget = base.estimate.budget
    others = utilizations(base.deployment, case.node.gpu, budget.requested_bytes, budget.memory_bytes)
    shares: tuple[float | None, ...] = (None, *(others if case.may_change("gpu-memory-utilization") else ()))
    for utilization in shares:
        settings = dict(option.settings)
        reasons = [option.because] if option.because else []
        if utilization is not None:
            settings["gpu-memory-utilization"] = utilization
            reasons.append(f"vLLM may use {utilization:.0%} of the GPU, if nothing else runs on it")
        share = at_share(base, utilization)
        if share.fits(budget.max_model_len, case.goal.concurrency):
            yield _proposal(case, option, settings, reasons, budget.max_model_len, case.goal.concurrency)
            return
        yield from _parts_of_it(case, option, share, settings, reasons)


def _parts_of_it(
    case: Case, option: Option, share: Share, settings: dict[str, Scalar], reasons: list[str]
) -> Iterator[Proposal]:
    goal = case.goal
    most = share.shifted.budget.max_model_len
    if case.may_change("max-model-len") and case.deployment.integer("max-model-len") != AUTO:
        tokens = share.longest(goal.least_tokens, most, goal.concurrency)
        if tokens is not None:
            changed = {**settings, "max-model-len": tokens}
            yield replace(_proposal(case, option, changed, reasons, tokens, goal.concurrency), cuts="max-model-len")
    if case.deployment.integer("concurrency") is not None and case.may_change("concurrency"):
        requests = share.most_requests(most, goal.least_concurrency, goal.concurrency)
        if requests is not None:
            changed = {**settings, "concurrency": requests}
            yield replace(_proposal(case, option, changed, reasons, most, requests), cuts="concurrency")


def _proposal(
    case: Case, option: Option, settings: Mapping[str, Scalar], reasons: list[str], tokens: int, concurrency: int
) -> Proposal:
    return Proposal(
        settings={**_length(case), **settings},
        reasons=tuple(reasons),
        loss=option.loss,
        shortfall=case.goal.shortfall(tokens, concurrency),
        tokens=tokens,
        concurrency=concurrency,
        model=option.model,
        tuned=option.tuned,
    )


def _remember(found: Found, case: Case, option: Option, base: Sized) -> None:
    """Keep the failing combination that comes nearest, for when nothing fits."""
    lacks = -base.headroom
    if found.nearest_lacks is None or lacks < found.nearest_lacks:
        reasons = [option.because] if option.because else []
        found.nearest_lacks = lacks
        found.nearest = _proposal(case, option, option.settings, reasons, case.goal.tokens, case.goal.concurrency)
