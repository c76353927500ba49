"""A deployment under other settings, sized exactly, and the cheap questions one sizing answers.

What depends on the division, the storage and the bounds of a step is sized once; utilization, length and concurrency
vary on top of it without sizing again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from vram_engine.deployment import Deployment, Known, Scalar, Setting
from vram_engine.estimate import Estimate, estimate
from vram_engine.feasibility import Workload, fits, headroom
from vram_engine.hardware import Node
from vram_engine.model.spec import ModelSpec
from vram_engine.modelled import unmodelled
from vram_engine.recommend.goal import Goal
from vram_engine.recommend.remembered import remembered
from vram_engine.recommend.siblings import Sibling
from vram_engine.refusals import refusals
from vram_engine.resolution import engine_args, workload
from vram_engine.sizing.budget import Interval
from vram_engine.sizing.demand import largest

# Lengths above this are offered in round thousands, below in whole blocks.
_ROUND = 1024


def may_change_all(_: str) -> bool:
    """Where no file says otherwise, every setting can be given another value."""
    return True


@dataclass(frozen=True, slots=True)
class Case:
    """What a search starts from. ``may_change`` tells which settings can be written."""

    deployment: Deployment
    spec: ModelSpec
    node: Node
    goal: Goal
    siblings: tuple[Sibling, ...] = ()
    may_change: Callable[[str], bool] = may_change_all


@dataclass(slots=True)
class Tally:
    """How many budgets were judged: the one thing a search counts."""

    judged: int = 0


@dataclass(frozen=True, slots=True)
class Sized:
    """A deployment as changed, and its estimate. ``deployment`` says the length that ``estimate`` was sized for."""

    deployment: Deployment
    spec: ModelSpec
    node: Node
    estimate: Estimate
    tally: Tally = field(default_factory=Tally)

    @property
    def headroom(self) -> int:
        """Bytes left per GPU beside the workload."""
        return headroom(self.estimate.budget, self.estimate.demand, workload(self.deployment))

    @property
    def fits(self) -> bool:
        """The verdict, by the table of ``feasibility``."""
        self.tally.judged += 1
        return fits(self.estimate.budget, self.estimate.demand, workload(self.deployment))


@dataclass(frozen=True, slots=True)
class Share:
    """One sizing at another share of the GPU: verdicts on any length and concurrency, near enough to propose them."""

    sized: Sized
    shifted: Estimate

    def fits(self, tokens: int, concurrency: int) -> bool:
        """The verdict with this length and this many requests."""
        self.sized.tally.judged += 1
        said = workload(self.sized.deployment)
        asked = Workload(concurrency, said.headroom_bytes)
        return fits(replace(self.shifted.budget, max_model_len=tokens), self.shifted.demand, asked)

    def longest(self, least: int, most: int, concurrency: int) -> int | None:
        """The longest length between ``least`` and ``most``, rounded down; None when not even ``least`` fits."""
        if least > most or not self.fits(least, concurrency):
            return None
        block = self.shifted.budget.block_size or 16
        found = largest(most - 1, lambda tokens: tokens < least or self.fits(tokens, concurrency))
        unit = _ROUND if found >= 8 * _ROUND else block
        return max(found // unit * unit, least)

    def most_requests(self, tokens: int, least: int, most: int) -> int | None:
        """The most requests of ``tokens`` tokens from ``least`` to below ``most``; None when ``least`` do not fit."""
        if least >= most or not self.fits(tokens, least):
            return None
        return largest(most - 1, lambda requests: requests < least or self.fits(tokens, requests))


def at_share(sized: Sized, utilization: float | None) -> Share:
    """The sizing with another share of the GPU for vLLM; None leaves it as it is."""
    budget = sized.estimate.budget
    if utilization is None:
        return Share(sized, sized.estimate)
    requested = round(budget.memory_bytes * utilization)
    more = requested - budget.requested_bytes
    left = budget.available
    shifted = replace(
        budget,
        requested_bytes=requested,
        available=Interval(left.low + more, left.expected + more, left.high + more),
        slack_bytes=None if budget.slack_bytes is None else budget.memory_bytes - requested,
    )
    return Share(sized, replace(sized.estimate, budget=shifted))


def changed(deployment: Deployment, settings: Mapping[str, Scalar]) -> Deployment:
    """The deployment with settings that win over all others."""
    return deployment.with_settings(Setting(name, Known(value), "argument") for name, value in settings.items())


def sized(case: Case, settings: Mapping[str, Scalar], spec: ModelSpec, tally: Tally | None = None) -> Sized | None:
    """The case with other settings, sized exactly; None where vLLM refuses it or something is not followed."""
    deployment = changed(case.deployment, settings)
    if refusals(deployment, engine_args(deployment), spec, case.node) or unmodelled(deployment, spec):
        return None
    found = estimate(deployment, spec, case.node)
    if not isinstance(found, Estimate):
        return None
    return Sized(deployment, spec, case.node, replace(found, demand=remembered(found.demand)), tally or Tally())
