"""The answer of the search: the best configuration, what else there is, and why each is where it is.

Ranked by what is served of what was asked for, then precision kept, then throughput, then how little changes. Every
one is sized exactly with all its settings and judged to fit before it is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from vram_engine.deployment import Deployment, Scalar
from vram_engine.feasibility import gib
from vram_engine.model.reference import FoundModel
from vram_engine.performance import Performance, performance
from vram_engine.recommend.case import Case, Sized, sized
from vram_engine.recommend.goal import Goal
from vram_engine.recommend.search import Found, Proposal, search
from vram_engine.resolution import engine_args

# As many as a reader weighs against each other.
MOST_CHOICES = 4
# Of proposals that serve and keep the same, as many are sized for their speed.
_MOST_SIZED = 8
# Rates nearer than this are one rate to a roofline.
_SPEED_STEP = 1.25


@dataclass(frozen=True, slots=True)
class Choice:
    """A configuration that fits, and what it comes to. Bytes per GPU; ``tokens_per_s`` is all requests together.

    ``because`` are sentences on what its changes do, ``lost_by`` is why the one before it was preferred.
    ``model`` is the checkpoint it names in place of the file's, ``drops`` are settings that leave the file.
    """

    settings: Mapping[str, Scalar]
    title: str
    because: tuple[str, ...]
    headroom_bytes: int
    headroom_before: int | None
    tokens: int
    concurrency: int
    loss: float
    shortfall: float
    weights_bytes: int
    gpus: int = 1
    tokens_per_s: float | None = None
    first_token_ms: float | None = None
    model: FoundModel | None = None
    tuned: bool = False
    drops: tuple[str, ...] = ()
    lost_by: str = ""


@dataclass(frozen=True, slots=True)
class Partial:
    """The step that comes nearest when nothing fits, and what it still lacks, in bytes per GPU."""

    settings: Mapping[str, Scalar]
    title: str
    lacks_bytes: int


@dataclass(frozen=True, slots=True)
class Advice:
    """Everything to say: choices best first, each better than ``as_it_is`` where that fits already.

    ``partial`` is a step on the way where nothing fits. ``judged`` counts budgets.
    """

    goal: Goal
    choices: tuple[Choice, ...]
    as_it_is: Choice | None
    partial: Partial | None
    judged: int


def advise(case: Case) -> Advice:
    """Search, size what is worth it, rank and explain."""
    found = search(case)
    before = sized(case, {}, case.spec, found.tally)
    ranked = sorted(_choices(case, found.proposals, before), key=lambda choice: _rank(choice, case.goal))
    present = next((choice for choice in ranked if not choice.settings), None)
    better = ranked if present is None else ranked[: ranked.index(present)]
    choices = tuple(_explained(_of_one_kind_each(better), case.goal))
    partial = None if choices or present is not None else _partial(found)
    return Advice(case.goal, choices, present, partial, found.tally.judged)


def _partial(found: Found) -> Partial | None:
    """The nearest step; none where memory is not what it lacks."""
    nearest, lacks = found.nearest, found.nearest_lacks
    if nearest is None or lacks is None or lacks <= 0 or not nearest.settings:
        return None
    return Partial(nearest.settings, title_of(nearest.settings), lacks)


def _choices(case: Case, proposals: Iterable[Proposal], before: Sized | None) -> Iterator[Choice]:
    """Proposals that fit when they are sized with all their settings: of each kind the ones that change least."""
    kinds: dict[tuple[int, float], list[Proposal]] = {}
    for proposal in proposals:
        kinds.setdefault((_missed(proposal.shortfall), proposal.loss), []).append(proposal)
    for kind in sorted(kinds)[: 2 * MOST_CHOICES]:
        kept = 0
        for proposal in sorted(kinds[kind], key=lambda each: (each.changes, -each.tokens)):
            verified = _verified(case, proposal)
            if verified is not None:
                yield _choice(*verified, before)
                kept += 1
            if kept == _MOST_SIZED:
                break


def _verified(case: Case, proposal: Proposal) -> tuple[Proposal, Sized] | None:
    """The proposal sized with all its settings; a little less of what it cuts where the search was too hopeful."""
    spec = proposal.model.spec if proposal.model is not None else case.spec
    for share in (1.0, *_LESS):
        nearer = _cut(proposal, share, case.goal)
        after = sized(case, nearer.settings, spec) if nearer is not None else None
        if nearer is not None and after is not None and after.fits:
            return nearer, after
        if not proposal.cuts:
            return None
    return None


# The search shifts the share of the GPU and the length of one sizing; sized anew, the edge is a little elsewhere.
_LESS = (0.97, 0.9, 0.8, 0.65)


def _cut(proposal: Proposal, share: float, goal: Goal) -> Proposal | None:
    """The proposal with ``share`` of the length or requests it found; None below what may be gone down to."""
    if share == 1.0:
        return proposal
    if proposal.cuts == "max-model-len":
        tokens = int(proposal.tokens * share) // 16 * 16
        return _with(proposal, tokens, proposal.concurrency, goal) if tokens >= goal.least_tokens else None
    requests = int(proposal.concurrency * share)
    return _with(proposal, proposal.tokens, requests, goal) if requests >= goal.least_concurrency else None


def _with(proposal: Proposal, tokens: int, concurrency: int, goal: Goal) -> Proposal:
    value = tokens if proposal.cuts == "max-model-len" else concurrency
    return replace(
        proposal,
        settings={**proposal.settings, proposal.cuts: value},
        tokens=tokens,
        concurrency=concurrency,
        shortfall=goal.shortfall(tokens, concurrency),
    )


def _choice(proposal: Proposal, after: Sized, before: Sized | None) -> Choice:
    speed = performance(after.deployment, after.spec, after.node, after.estimate)
    known = speed if isinstance(speed, Performance) else None
    return Choice(
        settings=proposal.settings,
        title=title_of(proposal.settings),
        because=(*proposal.reasons, *_cut_words(proposal, after)),
        headroom_bytes=after.headroom,
        headroom_before=before.headroom if before is not None else None,
        tokens=proposal.tokens,
        concurrency=proposal.concurrency,
        loss=proposal.loss,
        shortfall=proposal.shortfall,
        weights_bytes=after.estimate.budget.weights.bytes,
        gpus=_gpus(after.deployment),
        tokens_per_s=known.decode_total.expected if known is not None else None,
        first_token_ms=known.first_token_ms.expected if known is not None else None,
        model=proposal.model,
        tuned=proposal.tuned,
    )


def _gpus(deployment: Deployment) -> int:
    """GPUs of one engine."""
    args = engine_args(deployment)
    return args.tensor_parallel_size * args.pipeline_parallel_size


def _cut_words(proposal: Proposal, after: Sized) -> tuple[str, ...]:
    """What a cut keeps, in a sentence."""
    if proposal.cuts == "max-model-len":
        return (f"requests of up to {proposal.tokens:,} tokens are served",)
    if proposal.cuts == "concurrency":
        length = after.estimate.budget.max_model_len
        return (f"{proposal.concurrency:,} requests of {length:,} tokens are served at once",)
    return ()


def _rank(choice: Choice, goal: Goal) -> tuple[float, ...]:
    return (
        _missed(choice.shortfall),
        choice.loss,
        not choice.tuned,
        -_speed(choice, goal),
        len(choice.settings),
        choice.shortfall,
        -choice.tokens,
    )


def _missed(shortfall: float) -> int:
    """What is not served, in tenths: less than that is no reason to change more."""
    return math.ceil(round(10 * shortfall, 3))


def _speed(choice: Choice, goal: Goal) -> int:
    """The rate in coarse steps: of answers that begin soon for latency, else of tokens from each GPU.

    GPUs that one engine does not need could serve another copy.
    """
    rate = None if choice.tokens_per_s is None else choice.tokens_per_s / choice.gpus
    if goal.mode == "latency" and choice.first_token_ms:
        rate = 1e3 / choice.first_token_ms
    return 0 if not rate else math.floor(math.log(rate, _SPEED_STEP))


_AXES: Mapping[str, str] = MappingProxyType(
    {
        "tensor-parallel-size": "division",
        "pipeline-parallel-size": "division",
        "model": "weights",
        "quantization": "weights",
        "max-num-seqs": "step",
        "max-num-batched-tokens": "step",
        "gpu-memory-utilization": "share",
    }
)


_GIVES_UP_NOTHING = frozenset({"step", "share"})


def _of_one_kind_each(ranked: list[Choice]) -> list[Choice]:
    """The best, and those after it that get by without something all before them change.

    Bounds of a step and the share of the GPU give up nothing, so that another value of them alone is no other way.
    """
    kept: list[tuple[frozenset[str], Choice]] = []
    for choice in ranked:
        axes = frozenset(_AXES.get(name, name) for name in choice.settings)
        axes = axes - _GIVES_UP_NOTHING or axes
        if not any(before <= axes for before, _ in kept):
            kept.append((axes, choice))
    return [choice for _, choice in kept[:MOST_CHOICES]]


def _explained(choices: list[Choice], goal: Goal) -> Iterator[Choice]:
    for number, choice in enumerate(choices):
        yield replace(choice, lost_by=_lost_by(choices[number - 1], choice, goal)) if number else choice


def _lost_by(winner: Choice, loser: Choice, goal: Goal) -> str:
    """The first criterion on which the two differ, in a sentence."""
    if _missed(loser.shortfall) != _missed(winner.shortfall):
        return (
            f"the one before serves more: {winner.concurrency:,} x {winner.tokens:,} tokens, "
            f"not {loser.concurrency:,} x {loser.tokens:,}"
        )
    if loser.loss != winner.loss:
        return "the one before keeps more precision of weights or KV cache"
    if loser.tuned != winner.tuned:
        return f"the one before bounds its steps as {goal.mode} wants them"
    if _speed(loser, goal) != _speed(winner, goal):
        return _slower(winner, loser, goal)
    if len(loser.settings) != len(winner.settings):
        return f"the one before changes {len(winner.settings)} settings, this one {len(loser.settings)}"
    return f"the one before allows requests of {winner.tokens:,} tokens, this one of {loser.tokens:,}"


def _slower(winner: Choice, loser: Choice, goal: Goal) -> str:
    if goal.mode == "latency" and winner.first_token_ms and loser.first_token_ms:
        return (
            f"the one before should answer first after {winner.first_token_ms:,.0f} ms, "
            f"this one after {loser.first_token_ms:,.0f} ms"
        )
    each, other = ((choice.tokens_per_s or 0) / choice.gpus for choice in (winner, loser))
    return f"the one before should give {each:,.0f} tokens/s from each GPU, this one {other:,.0f}"


def without_flag(choice: Choice, name: str) -> Choice:
    """The choice with a setting left out of the file in place of a value that says the same as the checkpoint."""
    settings = {each: value for each, value in choice.settings.items() if each != name}
    return replace(choice, settings=settings, drops=(name,), title=f"{title_of(settings)}, drop {name}")


def title_of(settings: Mapping[str, Scalar]) -> str:
    """A change of settings in words."""
    return "Set " + ", ".join(f"{name} to {value}" for name, value in settings.items())


def preview(choice: Choice) -> str:
    """Memory before and after in a line: ``free per GPU: -3.20 GiB before, 2.10 GiB after``."""
    before = "refused" if choice.headroom_before is None else gib(choice.headroom_before)
    return f"free per GPU: {before} before, {gib(choice.headroom_bytes)} after"
